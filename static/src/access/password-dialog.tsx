import { useState } from 'react'
import { send } from '@/api/client'
import { ChangePasswordDocument } from '@/api/generated'
import { useSaving } from '@/commands/saving'
import { FIRST } from '@/components/dialog'
import { FormDialog } from '@/components/form-dialog'
import { PasswordField, passwordFault } from '@/components/password-field'

/** Changes the own password. */
export function PasswordDialog({ name, onClose }: { name: string; onClose: () => void }) {
  const [current, setCurrent] = useState('')
  const [next, setNext] = useState('')
  const { errors, setErrors, busy, save } = useSaving(onClose)
  const change = () => {
    const fault = passwordFault(next)
    if (!current || fault) return setErrors({ current: current ? undefined : 'This is needed', new: fault })
    void save(async () => {
      await send(ChangePasswordDocument, { current, new: next })
      return 'The password is changed. Your other sessions have ended.'
    })
  }
  return (
    <FormDialog
      title="Change password"
      action="Change password"
      busy={busy}
      fault={errors.all}
      onSubmit={change}
      onClose={onClose}
    >
      {/* For password managers, which keep a password with a name. */}
      <input type="text" name="username" autoComplete="username" value={name} readOnly hidden />
      <PasswordField
        label="Current password"
        name="current"
        autoComplete="current-password"
        value={current}
        error={errors.current}
        {...{ [FIRST]: true }}
        onChange={(event) => setCurrent(event.target.value)}
      />
      <PasswordField
        label="New password"
        name="new"
        autoComplete="new-password"
        hint="At least 12 characters; your other sessions end"
        value={next}
        error={errors.new}
        onChange={(event) => setNext(event.target.value)}
      />
    </FormDialog>
  )
}
