// Dialogs about one secret: another value, other hosts.

import { useState } from 'react'
import { send } from '@/api/client'
import { type SecretRowFragment, UpdateSecretDocument } from '@/api/generated'
import { useSaving } from '@/commands/saving'
import { TextArea, TextField } from '@/components/field'
import { FormDialog, ShownOnceDialog } from '@/components/form-dialog'
import { hostsOf } from '@/secrets/reference'
import { HOSTS_HINT } from './create-dialog'
import { GeneratedValue, NewValueFields, useNewValue } from './value-field'

interface SecretDialogProps {
  secret: SecretRowFragment
  onClose: () => void
}

/** Replaces the value. */
export function NewValueDialog({ secret: { namespace, name }, onClose }: SecretDialogProps) {
  const value = useNewValue()
  const [isSet, setSet] = useState(false)
  const { errors, setErrors, busy, save } = useSaving(() => (value.way === 'generated' ? setSet(true) : onClose()))
  const change = () => {
    if (value.fault) return setErrors({ value: value.fault })
    void save(async () => {
      await send(UpdateSecretDocument, { input: { namespace, name, value: value.value } })
      return `The secret “${name}” has another value.`
    })
  }
  if (isSet) {
    return (
      <ShownOnceDialog title={`“${name}” has another value`} wide onClose={onClose}>
        <GeneratedValue value={value.value} />
      </ShownOnceDialog>
    )
  }
  return (
    <FormDialog
      title={`New value of “${name}”`}
      action="Set value"
      busy={busy}
      fault={errors.all}
      onSubmit={change}
      onClose={onClose}
    >
      <p className="text-muted text-sm">All nodes send the new value within 2 seconds, also in further attempts.</p>
      <NewValueFields value={value} error={errors.value} />
    </FormDialog>
  )
}

/** Changes the hosts and the description. */
export function EditSecretDialog({ secret, onClose }: SecretDialogProps) {
  const { namespace, name } = secret
  const [hosts, setHosts] = useState(secret.hosts.join('\n'))
  const [description, setDescription] = useState(secret.description ?? '')
  const { errors, setErrors, busy, save } = useSaving(onClose)
  const change = () => {
    if (hostsOf(hosts).length === 0) return setErrors({ hosts: 'At least one host' })
    void save(async () => {
      const input = { namespace, name, hosts: hostsOf(hosts), description: description.trim() || null }
      await send(UpdateSecretDocument, { input })
      return `The secret “${name}” is saved.`
    })
  }
  return (
    <FormDialog
      title={`Secret “${name}”`}
      action="Save"
      busy={busy}
      fault={errors.all}
      onSubmit={change}
      onClose={onClose}
    >
      <TextArea
        label="Hosts"
        hint={HOSTS_HINT}
        spellCheck={false}
        autoCapitalize="none"
        value={hosts}
        error={errors.hosts}
        onChange={(event) => setHosts(event.target.value)}
      />
      <p className="text-muted text-sm">Attempts of jobs with a target on another host fail from then on.</p>
      <TextField
        label="Description"
        maxLength={2000}
        value={description}
        error={errors.description}
        onChange={(event) => setDescription(event.target.value)}
      />
    </FormDialog>
  )
}
