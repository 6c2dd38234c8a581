// Dialogs about one user: another role, another password.

import { useState } from 'react'
import { RoleField } from '@/access/role-field'
import { send } from '@/api/client'
import { SetPasswordDocument, UpdateUserDocument, type UserRowFragment } from '@/api/generated'
import { useSaving } from '@/commands/saving'
import { Button } from '@/components/button'
import { Dialog } from '@/components/dialog'
import { Fault } from '@/components/fault'
import { NewPasswordFields, PasswordSecret, useNewPassword } from './new-password'

interface UserDialogProps {
  user: UserRowFragment
  onClose: () => void
}

/** Gives a user another role. */
export function RoleDialog({ user, onClose }: UserDialogProps) {
  const [role, setRole] = useState(user.role)
  const { errors, busy, save } = useSaving(onClose)
  const change = () =>
    save(async () => {
      await send(UpdateUserDocument, { id: user.id, role })
      return `“${user.name}” has another role.`
    })
  return (
    <Dialog
      open
      onClose={onClose}
      title={`Role of “${user.name}”`}
      footer={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button kind="primary" busy={busy} disabled={role === user.role} onClick={() => void change()}>
            Change role
          </Button>
        </>
      }
    >
      <div className="flex flex-col gap-4">
        <Fault>{errors.all}</Fault>
        <RoleField value={role} onChange={setRole} error={errors.role} />
      </div>
    </Dialog>
  )
}

const FORM = 'set-password'

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
      <Dialog
        key="secret"
        open
        kept
        onClose={onClose}
        title={`“${user.name}” has another password`}
        footer={
          <Button kind="primary" onClick={onClose}>
            I have copied it
          </Button>
        }
      >
        <PasswordSecret name={user.name} password={password.password} />
      </Dialog>
    )
  }
  return (
    <Dialog
      open
      onClose={onClose}
      title={`Password of “${user.name}”`}
      footer={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button kind="primary" type="submit" form={FORM} busy={busy}>
            Set password
          </Button>
        </>
      }
    >
      <form
        id={FORM}
        noValidate
        autoComplete="off"
        onSubmit={(event) => {
          event.preventDefault()
          change()
        }}
        className="flex flex-col gap-4"
      >
        <Fault>{errors.all}</Fault>
        <p className="text-muted text-sm">The sessions of the user end at once.</p>
        <NewPasswordFields value={password} ways={['generated', 'typed']} error={errors.password ?? errors.userId} />
      </form>
    </Dialog>
  )
}
