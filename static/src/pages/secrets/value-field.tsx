// The value of a secret: typed, or generated to sign requests, and then shown once.

import { useState } from 'react'
import { SelectField, TextArea } from '@/components/field'
import { Secret } from '@/components/secret'
import { generateSigningSecret } from '@/secrets/reference'

type Way = 'typed' | 'generated'

const WAYS: Record<Way, string> = {
  typed: 'Type or paste it',
  generated: 'Generate one that signs requests, and show it once',
}
/** Bounds of a value, as the node has them. */
const CHARS_MIN = 8
const BYTES_MAX = 16_384

export interface NewValue {
  way: Way
  value: string
  fault: string | undefined
  choose: (way: Way) => void
  type: (value: string) => void
}

/** The choice and the value. */
export function useNewValue(): NewValue {
  const [way, choose] = useState<Way>('typed')
  const [typed, type] = useState('')
  const [generated] = useState(generateSigningSecret)
  const value = way === 'typed' ? typed : generated
  return { way, value, fault: valueFault(value), choose, type }
}

function valueFault(value: string): string | undefined {
  if ([...value].length < CHARS_MIN) return `A value has at least ${CHARS_MIN} characters`
  return new TextEncoder().encode(value).length > BYTES_MAX ? `A value has at most ${BYTES_MAX} bytes` : undefined
}

/** The fields of the choice. */
export function NewValueFields({ value, error }: { value: NewValue; error: string | undefined }) {
  return (
    <>
      <SelectField label="Value" value={value.way} onChange={({ target }) => value.choose(target.value as Way)}>
        {Object.entries(WAYS).map(([way, label]) => (
          <option key={way} value={way}>
            {label}
          </option>
        ))}
      </SelectField>
      {value.way === 'typed' && (
        <TextArea
          label="New value"
          hint="It is encrypted, and never shown again"
          // Several lines, such as of a key; a browser keeps and corrects nothing of it.
          rows={3}
          autoComplete="off"
          autoCapitalize="none"
          spellCheck={false}
          value={value.value}
          error={error}
          onChange={(event) => value.type(event.target.value)}
        />
      )}
    </>
  )
}

/** The generated value, for the receiver of the requests. */
export function GeneratedValue({ value }: { value: string }) {
  return (
    <Secret label="Signing secret" text={value}>
      This value is shown only now. Give it to the receiver, which verifies the signatures with it.
    </Secret>
  )
}
