import { Eye, EyeOff } from 'lucide-react'
import { type ComponentProps, useState } from 'react'
import { IconButton } from './button'
import { Field, INPUT_CLASS } from './field'

/** Bounds of a password, in characters, as the node has them. */
export const PASSWORD_MIN = 12
export const PASSWORD_MAX = 256

/** Why a new password will not do; undefined when it will. */
export function passwordFault(password: string): string | undefined {
  const length = [...password].length
  if (length < PASSWORD_MIN) return `A password has at least ${PASSWORD_MIN} characters`
  return length > PASSWORD_MAX ? `A password has at most ${PASSWORD_MAX} characters` : undefined
}

interface PasswordFieldProps extends Omit<ComponentProps<'input'>, 'type' | 'autoComplete'> {
  label: string
  hint?: string
  error?: string | undefined
  /** What a password manager may do: fill in the known one, or propose a new one. */
  autoComplete: 'current-password' | 'new-password'
}

/** A password, hidden unless the user shows it. */
export function PasswordField({ label, hint, error, className, ...rest }: PasswordFieldProps) {
  const [visible, setVisible] = useState(false)
  return (
    <Field {...{ label, hint, error, className }}>
      {(ids) => (
        <span className="relative flex min-w-0">
          <input
            spellCheck={false}
            autoCapitalize="none"
            {...rest}
            {...ids}
            type={visible ? 'text' : 'password'}
            className={`${INPUT_CLASS} pr-9`}
          />
          <IconButton
            icon={visible ? EyeOff : Eye}
            label={visible ? 'Hide the password' : 'Show the password'}
            aria-pressed={visible}
            className="absolute top-0 right-0"
            onClick={() => setVisible(!visible)}
          />
        </span>
      )}
    </Field>
  )
}
