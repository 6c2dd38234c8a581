// The roles of a user or a token: one in the whole cluster, and others in namespaces.

import { Plus, X } from 'lucide-react'
import { type NamespaceRoleInput, ROLE_VALUES, type Role } from '@/api/generated'
import type { Faults } from '@/commands/saving'
import { Button, IconButton } from '@/components/button'
import { Select, SelectField } from '@/components/field'
import { enumLabel } from '@/components/status'
import { useNamespaces } from '@/namespaces/namespaces'
import { RIGHTS } from './rights'

export interface RolesValue {
  role: Role | null
  namespaceRoles: NamespaceRoleInput[]
}

interface RolesFieldsProps {
  value: RolesValue
  onChange: (value: RolesValue) => void
  errors: Faults
  /** In place of the rights of the role: why it cannot be chosen. */
  fixed?: string
}

/** Monitors read nothing of a namespace. */
const IN_NAMESPACES = ROLE_VALUES.filter((role) => role !== 'MONITOR')

/** The role in the cluster; with several namespaces also roles in them. */
export function RolesFields({ value, onChange, errors, fixed }: RolesFieldsProps) {
  const { role, namespaceRoles } = value
  const namespaces = useNamespaces()
  const several = namespaces.length > 1 || namespaceRoles.length > 0
  return (
    <>
      <SelectField
        label={several ? 'Role in the whole cluster' : 'Role'}
        hint={fixed ?? (role ? RIGHTS[role] : 'Only the roles in namespaces count.')}
        error={errors.role}
        disabled={fixed !== undefined}
        value={role ?? ''}
        onChange={({ target }) => onChange({ ...value, role: ROLE_VALUES.find((one) => one === target.value) ?? null })}
      >
        {several && <option value="">None</option>}
        {ROLE_VALUES.map((one) => (
          <option key={one} value={one}>
            {enumLabel(one)}
          </option>
        ))}
      </SelectField>
      {several && fixed === undefined && (
        <NamespaceRoleFields
          all={[...new Set([...namespaces, ...namespaceRoles.map(({ namespace }) => namespace)])]}
          roles={namespaceRoles}
          error={errors.namespaceRoles}
          onChange={(roles) => onChange({ ...value, namespaceRoles: roles })}
        />
      )}
    </>
  )
}

interface NamespaceRoleFieldsProps {
  all: string[]
  roles: NamespaceRoleInput[]
  error: string | undefined
  onChange: (roles: NamespaceRoleInput[]) => void
}

/** A line for each namespace with a role. */
function NamespaceRoleFields({ all, roles, error, onChange }: NamespaceRoleFieldsProps) {
  const left = all.filter((name) => !roles.some(({ namespace }) => namespace === name))
  const [next] = left
  const change = (index: number, role: Partial<NamespaceRoleInput>) =>
    onChange(roles.map((one, place) => (place === index ? { ...one, ...role } : one)))
  return (
    <fieldset className="flex flex-col gap-2">
      <legend className="mb-1 font-medium text-sm">Roles in namespaces</legend>
      {roles.map(({ namespace, role }, index) => (
        <div key={namespace} className="flex items-center gap-2">
          <Select
            aria-label={`Namespace ${index + 1}`}
            className="flex-1"
            value={namespace}
            onChange={({ target }) => change(index, { namespace: target.value })}
          >
            {all
              .filter((name) => name === namespace || left.includes(name))
              .map((name) => (
                <option key={name}>{name}</option>
              ))}
          </Select>
          <Select
            aria-label={`Role in ${namespace}`}
            className="flex-1"
            value={role}
            onChange={({ target }) => change(index, { role: target.value as Role })}
          >
            {IN_NAMESPACES.map((one) => (
              <option key={one} value={one}>
                {enumLabel(one)}
              </option>
            ))}
          </Select>
          <IconButton
            icon={X}
            label={`Take away the role in ${namespace}`}
            onClick={() => onChange(roles.filter((_, place) => place !== index))}
          />
        </div>
      ))}
      {next && (
        <Button
          icon={Plus}
          className="self-start"
          onClick={() => onChange([...roles, { namespace: next, role: 'VIEWER' }])}
        >
          Add a namespace
        </Button>
      )}
      {error && (
        <p role="alert" className="text-bad text-xs">
          {error}
        </p>
      )}
    </fieldset>
  )
}

/** What is missing: a user or a token without any role may do nothing. */
export function rolesFault({ role, namespaceRoles }: RolesValue): string | undefined {
  return role === null && namespaceRoles.length === 0 ? 'A role is needed, here or in a namespace' : undefined
}
