import { useState } from 'react'
import { send } from '@/api/client'
import { CreateSecretDocument } from '@/api/generated'
import { useSaving } from '@/commands/saving'
import { FIRST } from '@/components/dialog'
import { SelectField, TextArea, TextField } from '@/components/field'
import { FormDialog, ShownOnceDialog } from '@/components/form-dialog'
import { DEFAULT_NAMESPACE, useHasNamespaces, useNamespacesFor } from '@/namespaces/namespaces'
import { hostsOf } from '@/secrets/reference'
import { GeneratedValue, NewValueFields, useNewValue } from './value-field'

export const HOSTS_HINT = 'It is sent to these hosts only: api.example.com, or api.example.com:8443; one a line'

/** Creates a secret. */
export function CreateSecretDialog({ onClose }: { onClose: () => void }) {
  const [name, setName] = useState('')
  const [chosen, setNamespace] = useState<string | null>(null)
  const [hosts, setHosts] = useState('')
  const [description, setDescription] = useState('')
  const [created, setCreated] = useState(false)
  const several = useHasNamespaces()
  const namespaces = useNamespacesFor('createSecret')
  const namespace = chosen ?? (namespaces.includes(DEFAULT_NAMESPACE) ? DEFAULT_NAMESPACE : namespaces[0])
  const value = useNewValue()
  const { errors, setErrors, busy, save } = useSaving(() => (value.way === 'generated' ? setCreated(true) : onClose()))
  const create = () => {
    const faults = {
      name: /^[\w.-]{1,100}$/.test(name) ? undefined : 'From 1 to 100 letters, digits, dots, underscores and hyphens',
      value: value.fault,
      hosts: hostsOf(hosts).length > 0 ? undefined : 'At least one host',
    }
    if (faults.name || faults.value || faults.hosts) return setErrors(faults)
    void save(async () => {
      const input = {
        namespace: namespace ?? DEFAULT_NAMESPACE,
        name,
        value: value.value,
        hosts: hostsOf(hosts),
        description: description.trim() || null,
      }
      await send(CreateSecretDocument, { input })
      return `The secret “${name}” is created.`
    })
  }
  if (created) {
    return (
      <ShownOnceDialog title={`“${name}” is created`} wide onClose={onClose}>
        <GeneratedValue value={value.value} />
      </ShownOnceDialog>
    )
  }
  return (
    <FormDialog
      title="New secret"
      action="Create secret"
      busy={busy}
      fault={errors.all}
      onSubmit={create}
      onClose={onClose}
    >
      <TextField
        label="Name"
        hint="Jobs refer to it by this name; it never changes"
        autoComplete="off"
        autoCapitalize="none"
        spellCheck={false}
        maxLength={100}
        value={name}
        error={errors.name}
        {...{ [FIRST]: true }}
        onChange={(event) => setName(event.target.value)}
      />
      {several && (
        <SelectField
          label="Namespace"
          hint="Of the jobs that may refer to it"
          value={namespace}
          error={errors.namespace}
          onChange={(event) => setNamespace(event.target.value)}
        >
          {namespaces.map((one) => (
            <option key={one}>{one}</option>
          ))}
        </SelectField>
      )}
      <NewValueFields value={value} error={errors.value} />
      <TextArea
        label="Hosts"
        hint={HOSTS_HINT}
        spellCheck={false}
        autoCapitalize="none"
        value={hosts}
        error={errors.hosts}
        onChange={(event) => setHosts(event.target.value)}
      />
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
