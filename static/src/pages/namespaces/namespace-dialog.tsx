import { useState } from 'react'
import { send } from '@/api/client'
import { CreateNamespaceDocument, type NamespaceRowFragment, UpdateNamespaceDocument } from '@/api/generated'
import { useSaving } from '@/commands/saving'
import { FIRST } from '@/components/dialog'
import { TextField } from '@/components/field'
import { FormDialog } from '@/components/form-dialog'

interface NamespaceDialogProps {
  /** The namespace to edit; null for a new one. */
  namespace: NamespaceRowFragment | null
  onClose: () => void
}

const NAME = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/

/** Creates or edits a namespace. */
export function NamespaceDialog({ namespace, onClose }: NamespaceDialogProps) {
  const [name, setName] = useState(namespace?.name ?? '')
  const [description, setDescription] = useState(namespace?.description ?? '')
  const [maxJobs, setMaxJobs] = useState(String(namespace?.maxJobs ?? ''))
  const { errors, setErrors, busy, save } = useSaving(onClose)
  const write = () => {
    const faults = {
      name: NAME.test(name) ? undefined : 'From 1 to 63 lower case letters, digits and hyphens',
      maxJobs: /^\d*$/.test(maxJobs.trim()) ? undefined : 'A whole number, or nothing',
    }
    if (faults.name || faults.maxJobs) return setErrors(faults)
    void save(async () => {
      const limit = maxJobs.trim() ? Number(maxJobs) : null
      const input = { name, description: description.trim() || null, maxJobs: limit }
      await (namespace ? send(UpdateNamespaceDocument, { input }) : send(CreateNamespaceDocument, { input }))
      return `The namespace “${name}” is saved.`
    })
  }
  return (
    <FormDialog
      title={namespace ? `Namespace “${namespace.name}”` : 'New namespace'}
      action={namespace ? 'Save' : 'Create namespace'}
      busy={busy}
      fault={errors.all}
      onSubmit={write}
      onClose={onClose}
    >
      <TextField
        label="Name"
        hint="Lower case letters, digits and hyphens; it never changes"
        autoComplete="off"
        autoCapitalize="none"
        spellCheck={false}
        maxLength={63}
        disabled={namespace !== null}
        value={name}
        error={errors.name}
        {...(!namespace && { [FIRST]: true })}
        onChange={(event) => setName(event.target.value)}
      />
      <TextField
        label="Description"
        maxLength={2000}
        value={description}
        error={errors.description}
        {...(namespace && { [FIRST]: true })}
        onChange={(event) => setDescription(event.target.value)}
      />
      <TextField
        label="Most jobs"
        hint="Default: no limit. Jobs beyond a lower limit stay"
        inputMode="numeric"
        autoComplete="off"
        value={maxJobs}
        error={errors.maxJobs}
        onChange={(event) => setMaxJobs(event.target.value)}
      />
    </FormDialog>
  )
}
