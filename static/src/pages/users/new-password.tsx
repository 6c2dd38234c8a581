// The password that an admin gives to a user: generated and shown once, or typed.

import { useState } from 'react'
import { SelectField } from '@/components/field'
import { PasswordField, passwordFault } from '@/components/password-field'
import { Secret } from '@/components/secret'
import { generatePassword } from '@/lib/password'

export type Way = 'generated' | 'typed' | 'none'

const WAYS: Record<Way, string> = {
  generated: 'Generate one and show it once',
  typed: 'Type one',
  none: 'None: a trusted proxy signs the user in',
}

export interface NewPassword {
  way: Way
  /** Null for none. */
  password: string | null
  /** Why it will not do. */
  fault: string | undefined
  choose: (way: Way) => void
  type: (password: string) => void
}

/** The choice and the password. */
export function useNewPassword(): NewPassword {
  const [way, choose] = useState<Way>('generated')
  const [typed, type] = useState('')
  const [generated] = useState(generatePassword)
  return {
    way,
    password: way === 'none' ? null : way === 'typed' ? typed : generated,
    fault: way === 'typed' ? passwordFault(typed) : undefined,
    choose,
    type,
  }
}

interface NewPasswordFieldsProps {
  value: NewPassword
  ways: Way[]
  error: string | undefined
}

/** The fields of the choice. */
export function NewPasswordFields({ value, ways, error }: NewPasswordFieldsProps) {
  return (
    <>
      <SelectField
        label="Password"
        error={value.way === 'typed' ? undefined : error}
        value={value.way}
        onChange={(event) => value.choose(event.target.value as Way)}
      >
        {ways.map((way) => (
          <option key={way} value={way}>
            {WAYS[way]}
          </option>
        ))}
      </SelectField>
      {value.way === 'typed' && (
        <PasswordField
          label="New password"
          autoComplete="new-password"
          hint="At least 12 characters"
          error={error}
          value={value.password ?? ''}
          onChange={(event) => value.type(event.target.value)}
        />
      )}
    </>
  )
}

/** The generated password, shown once. */
export function PasswordSecret({ name, password }: { name: string; password: string }) {
  return (
    <Secret label="Password" text={password}>
      This password is shown only now: the cluster keeps only a hash of it. Give it to {name}, who can change it.
    </Secret>
  )
}
