import { useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { ApiError, inWords, send } from '@/api/client'
import { type Afterwards, CreateBlackoutDocument } from '@/api/generated'
import { Button } from '@/components/button'
import { Dialog } from '@/components/dialog'
import { SelectField, TextField } from '@/components/field'
import { useToast } from '@/components/toasts'

const AFTERWARDS: [Afterwards, string, string][] = [
  ['COLLAPSE', 'The last one runs', 'The others are folded into it.'],
  ['RUN_ALL', 'All run', 'Oldest first.'],
  ['SKIP', 'None runs', 'Each is recorded as skipped.'],
]

/** Creates a blackout: of the job that it is asked about, or else of all jobs, those with a tag or one. */
export function BlackoutDialog({ job, onClose }: { job?: { id: string }; onClose: () => void }) {
  const [values, setValues] = useState({
    reason: '',
    startsAt: '',
    endsAt: '',
    tag: '',
    jobId: job?.id ?? '',
    afterwards: 'COLLAPSE' as Afterwards,
  })
  const [errors, setErrors] = useState<Record<string, string>>({})
  const [busy, setBusy] = useState(false)
  const queries = useQueryClient()
  const toast = useToast()
  const save = async () => {
    if (!values.endsAt) return setErrors({ endsAt: 'This is needed' })
    setBusy(true)
    setErrors({})
    try {
      const instant = (local: string) => (local ? new Date(local).toISOString() : null)
      const { reason, tag, jobId, afterwards } = values
      const input = {
        reason,
        afterwards,
        tag: tag.trim() || null,
        jobId: jobId.trim() || null,
        startsAt: instant(values.startsAt),
        endsAt: instant(values.endsAt) ?? '',
      }
      await send(CreateBlackoutDocument, { input })
      toast({ kind: 'done', message: 'The blackout is planned.' })
      await queries.invalidateQueries()
      onClose()
    } catch (error) {
      setErrors({ [(error instanceof ApiError && error.field) || 'all']: inWords(error) })
    } finally {
      setBusy(false)
    }
  }
  const field = (name: 'reason' | 'startsAt' | 'endsAt' | 'tag' | 'jobId') => ({
    value: values[name],
    error: errors[name],
    onChange: (event: { target: { value: string } }) => setValues({ ...values, [name]: event.target.value }),
  })
  return (
    <Dialog
      open
      onClose={onClose}
      title={job ? 'New blackout of this job' : 'New blackout'}
      footer={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button kind="primary" busy={busy} onClick={() => void save()}>
            Create blackout
          </Button>
        </>
      }
    >
      <div className="flex flex-col gap-4">
        <p className="text-muted text-sm">
          Nothing starts by schedule in a blackout. What runs goes on; run now, retries and backfills are not held back.
        </p>
        {errors.all && (
          <p role="alert" className="text-bad text-sm">
            {errors.all}
          </p>
        )}
        <TextField label="Reason" maxLength={500} hint="Shown where it holds jobs back" {...field('reason')} />
        <TextField label="From" type="datetime-local" hint="In your zone. Default: now" {...field('startsAt')} />
        <TextField label="To" type="datetime-local" hint="In your zone" {...field('endsAt')} />
        {!job && (
          <>
            <TextField label="Only jobs with the tag" hint="Default: all jobs" {...field('tag')} />
            <TextField
              label="Only the job with the id"
              hint="Default: all jobs"
              spellCheck={false}
              {...field('jobId')}
            />
          </>
        )}
        <SelectField
          label="Afterwards"
          hint={AFTERWARDS.find(([name]) => name === values.afterwards)?.[2]}
          value={values.afterwards}
          onChange={(event) => setValues({ ...values, afterwards: event.target.value as Afterwards })}
        >
          {AFTERWARDS.map(([name, label]) => (
            <option key={name} value={name}>
              {label}
            </option>
          ))}
        </SelectField>
      </div>
    </Dialog>
  )
}
