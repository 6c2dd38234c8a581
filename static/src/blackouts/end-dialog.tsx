import { useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { inWords, send } from '@/api/client'
import { type BlackoutRowFragment, SetBlackoutEndDocument } from '@/api/generated'
import { Button } from '@/components/button'
import { Dialog } from '@/components/dialog'
import { TimeField } from '@/components/time-field'
import { useToast } from '@/components/toasts'
import { fromLocalInput, timeFault, toLocalInput } from '@/text/time'

/** Moves the end of a blackout that is not over. */
export function BlackoutEndDialog({ blackout, onClose }: { blackout: BlackoutRowFragment; onClose: () => void }) {
  const [end, setEnd] = useState(toLocalInput(blackout.endsAt))
  const [error, setError] = useState<string>()
  const [busy, setBusy] = useState(false)
  const queries = useQueryClient()
  const toast = useToast()
  const save = async () => {
    const endsAt = fromLocalInput(end)
    if (!endsAt) return setError(timeFault(end) ?? 'This is needed')
    setBusy(true)
    try {
      await send(SetBlackoutEndDocument, { id: blackout.id, endsAt })
      toast({ kind: 'done', message: 'The end of the blackout is moved.' })
      await queries.invalidateQueries()
      onClose()
    } catch (failure) {
      setError(inWords(failure))
    } finally {
      setBusy(false)
    }
  }
  return (
    <Dialog
      open
      onClose={onClose}
      title="Move the end of the blackout"
      footer={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button kind="primary" busy={busy} onClick={() => void save()}>
            Move the end
          </Button>
        </>
      }
    >
      <TimeField label="To" hint="In your zone" value={end} error={error} onChange={setEnd} />
    </Dialog>
  )
}
