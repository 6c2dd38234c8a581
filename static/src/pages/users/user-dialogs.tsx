// Dialogs about one user: another role, another password.

import { useState } from 'react'
import { rolesInWords } from '@/access/rights'
import { RolesFields, type RolesValue, rolesFault } from '@/access/roles-fields'
import { send } from '@/api/client'
import { SetPasswordDocument, SetUserRolesDocument, type UserRowFragment } from '@/api/generated'
import { useSaving } from '@/commands/saving'
import { FormDialog, ShownOnceDialog } from '@/components/form-dialog'
import { NewPasswordFields, PasswordSecret, useNewPassword } from './new-password'

interface UserDialogProps {
  user: UserRowFragment
  onClose: () => void
}

/** Gives a user other roles. */
export function RoleDialog({ user, onClose }: UserDialogProps) {
  const { role, namespaceRoles } = user
  const [roles, setRoles] = useState<RolesValue>({ role, namespaceRoles })
  const { errors, setErrors, busy, save } = useSaving(onClose)
  const change = () => {
    const fault = rolesFault(roles)
    if (fault) return setErrors({ role: fault })
    void save(async () => {
      await send(SetUserRolesDocument, { id: user.id, ...roles })
      return `“${user.name}” has other roles.`
    })
  }
  return (
    <FormDialog
      title={`Roles of “${user.name}”`}
      action="Change roles"
      busy={busy}
      disabled={rolesInWords(roles) === rolesInWords(user)}
      fault={errors.all}
      onSubmit={change}
      onClose={onClose}
    >
      <RolesFields value={roles} onChange={setRoles} errors={errors} />
    </FormDialog>
  )
}

/** Gives a user another password; the sessions of the user end. */
export function SetPasswordDialog({ user, onClose }: UserDialogProps) {
  const password = useNewPassword()
  const [isSet, setSet] = useState(false)
  const { errors, setErrors, busy, save } = useSaving(() => (password.way === 'generated' ? setSet(true) : onClose()))
  const change = () => {
    if (password.fault) return setErrors({ password: password.fault })
    void save(async () => {
      await send(SetPasswordDocument, { userId: user.id, password: password.password ?? '' })
      return `“${user.name}” has another password.`
    })
  }
  if (isSet && password.password) {
    return (
      <ShownOnceDialog title={`“${user.name}” has another password`} onClose={onClose}>
        <PasswordSecret name={user.name} password={password.password} />
      </ShownOnceDialog>
    )
  }
  return (
    <FormDialog
      title={`Password of “${user.name}”`}
      action="Set password"
      busy={busy}
      fault={errors.all}
      onSubmit={change}
      onClose={onClose}
    >
      <p className="text-muted text-sm">The sessions of the user end at once.</p>
      <NewPasswordFields value={password} ways={['generated', 'typed']} error={errors.password ?? errors.userId} />
    </FormDialog>
  )
}
