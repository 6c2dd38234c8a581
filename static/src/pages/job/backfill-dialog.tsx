import { useState } from 'react'
import { errorMessage, send } from '@/api/client'
import { BackfillJobDocument, type OverlapPolicy, PreviewBackfillDocument } from '@/api/generated'
import { useApi } from '@/api/queries'
import { useSaving } from '@/commands/saving'
import { SelectField, TextField } from '@/components/field'
import { FormDialog } from '@/components/form-dialog'
import { Time } from '@/components/time'
import { TimeField } from '@/components/time-field'
import { counted } from '@/format/number'
import { fromLocalInput, timeFault } from '@/format/time'

const POLICIES: [OverlapPolicy, string, string][] = [
  ['BUFFER_ALL', 'Wait for it', 'One by one.'],
  ['SKIP', 'Skip the fire time', 'It is recorded as skipped.'],
  ['ALLOW', 'Run at the same time', 'As fast as the rate allows.'],
]

/** Creates a backfill; shows the number of fire times first. */
export function BackfillDialog({ jobId, onClose }: { jobId: string; onClose: () => void }) {
  const [values, setValues] = useState({ from: '', to: '', overlapPolicy: 'BUFFER_ALL' as OverlapPolicy, rate: '600' })
  const { errors, setErrors, busy, save } = useSaving(onClose)
  const [from, to] = [fromLocalInput(values.from), fromLocalInput(values.to)]
  const range = from && to ? { from, to } : null
  const preview = useApi(
    PreviewBackfillDocument,
    { id: jobId, from: '', to: '', ...range },
    { enabled: range !== null },
  )
  const begin = () => {
    if (!range) {
      const [name, text] = from ? (['to', values.to] as const) : (['from', values.from] as const)
      return setErrors({ [name]: timeFault(text) ?? 'This is needed' })
    }
    void save(async () => {
      const { overlapPolicy, rate } = values
      const { backfillJob } = await send(BackfillJobDocument, {
        id: jobId,
        ...range,
        overlapPolicy,
        firesPerMinute: rate.trim() ? Number(rate) : null,
      })
      return `${counted(backfillJob.fireTimes, 'fire time')} will run again.`
    })
  }
  const time = (name: 'from' | 'to') => ({
    value: values[name],
    error: errors[name],
    onChange: (value: string) => setValues((before) => ({ ...before, [name]: value })),
  })
  const field = (name: 'rate', error?: string) => ({
    value: values[name],
    error: errors[name] ?? error,
    onChange: (event: { target: { value: string } }) => setValues({ ...values, [name]: event.target.value }),
  })
  const planned = preview.data?.previewBackfill
  return (
    <FormDialog
      title="Backfill"
      action={planned && range ? `Run ${counted(planned.count, 'fire time')}` : 'Run'}
      busy={busy}
      fault={errors.all}
      onSubmit={begin}
      onClose={onClose}
    >
      <p className="text-muted text-sm">Runs the fire times of a past range, oldest first, each as a new execution.</p>
      <div className="grid gap-4 sm:grid-cols-2">
        <TimeField label="From" hint="In your zone" {...time('from')} />
        <TimeField label="To" hint="In your zone, included" {...time('to')} />
      </div>
      {range && preview.error && <p className="text-bad text-sm">{errorMessage(preview.error)}</p>}
      {range && planned && (
        <p className="text-sm">
          {counted(planned.count, 'fire time')}: <Time at={planned.fireTimes[0] ?? ''} as="exact" />
          {planned.last && planned.count > 1 && (
            <>
              {' '}
              to <Time at={planned.last} as="exact" />
            </>
          )}
        </p>
      )}
      <div className="grid gap-4 sm:grid-cols-2">
        <SelectField
          label="While one still runs"
          hint={POLICIES.find(([name]) => name === values.overlapPolicy)?.[2]}
          value={values.overlapPolicy}
          onChange={(event) => setValues({ ...values, overlapPolicy: event.target.value as OverlapPolicy })}
        >
          {POLICIES.map(([name, label]) => (
            <option key={name} value={name}>
              {label}
            </option>
          ))}
        </SelectField>
        <TextField label="Rate limit, a minute" inputMode="numeric" {...field('rate', errors.firesPerMinute)} />
      </div>
    </FormDialog>
  )
}
