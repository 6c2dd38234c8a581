import { useState } from 'react'
import { send } from '@/api/client'
import { type BlackoutRowFragment, SetBlackoutEndDocument } from '@/api/generated'
import { useSaving } from '@/commands/saving'
import { FormDialog } from '@/components/form-dialog'
import { TimeField } from '@/components/time-field'
import { fromLocalInput, timeFault, toLocalInput } from '@/format/time'

/** Moves the end of a blackout that has not ended. */
export function BlackoutEndDialog({ blackout, onClose }: { blackout: BlackoutRowFragment; onClose: () => void }) {
  const [end, setEnd] = useState(toLocalInput(blackout.endsAt))
  const { errors, setErrors, busy, save } = useSaving(onClose)
  const move = () => {
    const endsAt = fromLocalInput(end)
    if (!endsAt) return setErrors({ endsAt: timeFault(end) ?? 'This is needed' })
    void save(async () => {
      await send(SetBlackoutEndDocument, { id: blackout.id, endsAt })
      return 'The end of the blackout is moved.'
    })
  }
  return (
    <FormDialog
      title="Move the end of the blackout"
      action="Move the end"
      busy={busy}
      fault={errors.all}
      onSubmit={move}
      onClose={onClose}
    >
      <TimeField label="To" hint="In your zone" value={end} error={errors.endsAt} onChange={setEnd} />
    </FormDialog>
  )
}
