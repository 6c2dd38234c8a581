import { useRef, useState } from 'react'
import { RolesFields, type RolesValue, rolesFault } from '@/access/roles-fields'
import { send } from '@/api/client'
import { CreateApiTokenDocument } from '@/api/generated'
import { useSaving } from '@/commands/saving'
import { FIRST } from '@/components/dialog'
import { TextField } from '@/components/field'
import { FormDialog, ShownOnceDialog } from '@/components/form-dialog'
import { Secret } from '@/components/secret'

const DAYS_DEFAULT = '90'
const DAYS_MAX = 365

/** Creates an API token; shows its secret once. */
export function CreateTokenDialog({ onClose }: { onClose: () => void }) {
  const [name, setName] = useState('')
  const [roles, setRoles] = useState<RolesValue>({ role: 'VIEWER', namespaceRoles: [] })
  const [days, setDays] = useState(DAYS_DEFAULT)
  const [secret, setSecret] = useState<string | null>(null)
  const answer = useRef('')
  const { errors, setErrors, busy, save } = useSaving(() => setSecret(answer.current))
  const create = () => {
    const faults = {
      name: name.trim() ? undefined : 'This is needed',
      role: rolesFault(roles),
      expiresInDays: daysFault(days),
    }
    if (faults.name || faults.role || faults.expiresInDays) return setErrors(faults)
    void save(async () => {
      const variables = { name: name.trim(), ...roles, expiresInDays: Number(days) }
      const { createApiToken } = await send(CreateApiTokenDocument, variables)
      answer.current = createApiToken.secret
      return `The token “${variables.name}” is created.`
    })
  }
  if (secret !== null) return <SecretDialog name={name.trim()} secret={secret} onClose={onClose} />
  return (
    <FormDialog
      title="New API token"
      action="Create token"
      busy={busy}
      fault={errors.all}
      onSubmit={create}
      onClose={onClose}
    >
      <TextField
        label="Name"
        hint="The program that has it, as the audit log names it"
        autoComplete="off"
        spellCheck={false}
        maxLength={100}
        value={name}
        error={errors.name}
        {...{ [FIRST]: true }}
        onChange={(event) => setName(event.target.value)}
      />
      <RolesFields value={roles} onChange={setRoles} errors={errors} />
      <TextField
        label="Days until it expires"
        hint={`1 to ${DAYS_MAX}`}
        inputMode="numeric"
        autoComplete="off"
        value={days}
        error={errors.expiresInDays}
        onChange={(event) => setDays(event.target.value)}
      />
    </FormDialog>
  )
}

function daysFault(text: string): string | undefined {
  const days = Number(text)
  const fits = /^\d+$/.test(text.trim()) && days >= 1 && days <= DAYS_MAX
  return fits ? undefined : `A whole number from 1 to ${DAYS_MAX}`
}

function SecretDialog({ name, secret, onClose }: { name: string; secret: string; onClose: () => void }) {
  return (
    <ShownOnceDialog wide onClose={onClose} title={`The token “${name}”`}>
      <div className="flex flex-col gap-3">
        <Secret label="Token" text={secret}>
          The token is shown only now: the cluster keeps only a hash of it. A lost token is revoked and replaced.
        </Secret>
        <p className="text-muted text-sm">
          A program sends it with each request, in the header{' '}
          <code className="font-mono text-xs">Authorization: Bearer hrl_…</code>
        </p>
      </div>
    </ShownOnceDialog>
  )
}
