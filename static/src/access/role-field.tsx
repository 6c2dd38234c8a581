import { ROLE_VALUES, type Role } from '@/api/generated'
import { SelectField } from '@/components/field'
import { enumLabel } from '@/components/status'
import { RIGHTS } from './rights'

interface RoleFieldProps {
  value: Role
  onChange: (role: Role) => void
  error?: string | undefined
  /** In place of the rights of the role: why it cannot be chosen. */
  fixed?: string
}

/** A role, with its rights in a line. */
export function RoleField({ value, onChange, error, fixed }: RoleFieldProps) {
  return (
    <SelectField
      label="Role"
      hint={fixed ?? RIGHTS[value]}
      error={error}
      disabled={fixed !== undefined}
      value={value}
      onChange={(event) => onChange(event.target.value as Role)}
    >
      {ROLE_VALUES.map((role) => (
        <option key={role} value={role}>
          {enumLabel(role)}
        </option>
      ))}
    </SelectField>
  )
}
