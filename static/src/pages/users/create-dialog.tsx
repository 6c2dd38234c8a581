import { useState } from 'react'
import { useMe } from '@/access/me'
import { RolesFields, type RolesValue, rolesFault } from '@/access/roles-fields'
import { send } from '@/api/client'
import { CreateUserDocument } from '@/api/generated'
import { noteSignedIn } from '@/api/session'
import { signIn } from '@/api/sign-in'
import { useSaving } from '@/commands/saving'
import { FIRST } from '@/components/dialog'
import { TextField } from '@/components/field'
import { FormDialog, ShownOnceDialog } from '@/components/form-dialog'
import { NewPasswordFields, PasswordSecret, useNewPassword } from './new-password'

/** Creates a user. The first one is an admin and closes the cluster: this browser is then signed in as that admin. */
export function CreateUserDialog({ onClose }: { onClose: () => void }) {
  const [isFirst] = useState(useMe()?.kind === 'ANONYMOUS')
  const [name, setName] = useState('')
  const [roles, setRoles] = useState<RolesValue>({ role: isFirst ? 'ADMIN' : 'VIEWER', namespaceRoles: [] })
  const [created, setCreated] = useState(false)
  const password = useNewPassword()
  const { errors, setErrors, busy, save } = useSaving(() =>
    password.way === 'generated' ? setCreated(true) : onClose(),
  )
  const create = () => {
    const faults = {
      name: name.trim() ? undefined : 'This is needed',
      role: rolesFault(roles),
      password: password.fault,
    }
    if (faults.name || faults.role || faults.password) return setErrors(faults)
    void save(async () => {
      await send(CreateUserDocument, { name: name.trim(), ...roles, password: password.password })
      if (isFirst) {
        // Without it the cluster would refuse the next request of this page.
        await signIn(name.trim(), password.password ?? '')
        noteSignedIn(true)
      }
      return `“${name.trim()}” is created.`
    })
  }
  if (created && password.password) {
    return (
      <ShownOnceDialog title={`“${name.trim()}” is created`} onClose={onClose}>
        <PasswordSecret name={name.trim()} password={password.password} />
      </ShownOnceDialog>
    )
  }
  return (
    <FormDialog
      title={isFirst ? 'Create the first admin' : 'New user'}
      action="Create user"
      busy={busy}
      fault={errors.all}
      onSubmit={create}
      onClose={onClose}
    >
      {isFirst && (
        <p className="text-muted text-sm">
          The cluster closes: from then on each request needs a user or an API token. Programs that use the API need a
          token at once.
        </p>
      )}
      <TextField
        label="Name"
        autoComplete="off"
        autoCapitalize="none"
        spellCheck={false}
        maxLength={100}
        hint="At most 100 characters, without spaces"
        value={name}
        error={errors.name}
        {...{ [FIRST]: true }}
        onChange={(event) => setName(event.target.value)}
      />
      <RolesFields
        value={roles}
        onChange={setRoles}
        errors={errors}
        {...(isFirst && { fixed: 'The first user is an admin, who creates the others' })}
      />
      <NewPasswordFields
        value={password}
        ways={isFirst ? ['generated', 'typed'] : ['generated', 'typed', 'none']}
        error={errors.password}
      />
    </FormDialog>
  )
}
