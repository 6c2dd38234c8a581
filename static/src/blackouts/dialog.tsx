import { keepPreviousData } from '@tanstack/react-query'
import { useState } from 'react'
import { send } from '@/api/client'
import {
  type BlackoutEndPolicy,
  CreateBlackoutDocument,
  JobChoicesDocument,
  JobNameDocument,
  TagsDocument,
} from '@/api/generated'
import { useApi } from '@/api/queries'
import { useSaving } from '@/commands/saving'
import { SelectField, TextField } from '@/components/field'
import { FormDialog } from '@/components/form-dialog'
import { TimeField } from '@/components/time-field'
import { fromLocalInput, timeFault } from '@/format/time'

const END_POLICIES: [BlackoutEndPolicy, string, string][] = [
  ['COLLAPSE', 'The last one runs', 'The others are folded into it.'],
  ['RUN_ALL', 'All run', 'Oldest first.'],
  ['SKIP', 'None runs', 'Each is recorded as skipped.'],
]

/** Creates a blackout: of one given job, or of all jobs, the jobs with a tag, or one job. */
export function BlackoutDialog({ job, onClose }: { job?: { id: string }; onClose: () => void }) {
  const [values, setValues] = useState({
    reason: '',
    startsAt: '',
    endsAt: '',
    tag: '',
    jobId: job?.id ?? '',
    onEnd: 'COLLAPSE' as BlackoutEndPolicy,
  })
  const { errors, setErrors, busy, save } = useSaving(onClose)
  const tags = useApi(TagsDocument, {}, { staleTime: 30_000, enabled: !job })
  const create = () => {
    const faults = {
      startsAt: timeFault(values.startsAt),
      endsAt: values.endsAt ? timeFault(values.endsAt) : 'This is needed',
    }
    if (faults.startsAt || faults.endsAt) return setErrors(faults)
    void save(async () => {
      const { reason, tag, jobId, onEnd } = values
      const input = {
        reason,
        onEnd,
        tag: tag.trim() || null,
        jobId: jobId.trim() || null,
        startsAt: fromLocalInput(values.startsAt) ?? null,
        endsAt: fromLocalInput(values.endsAt) ?? '',
      }
      await send(CreateBlackoutDocument, { input })
      return 'The blackout is planned.'
    })
  }
  const time = (name: 'startsAt' | 'endsAt') => ({
    value: values[name],
    error: errors[name],
    onChange: (value: string) => setValues((before) => ({ ...before, [name]: value })),
  })
  const field = (name: 'reason' | 'tag' | 'jobId') => ({
    value: values[name],
    error: errors[name],
    onChange: (event: { target: { value: string } }) => setValues({ ...values, [name]: event.target.value }),
  })
  return (
    <FormDialog
      title={job ? 'New blackout of this job' : 'New blackout'}
      action="Create blackout"
      busy={busy}
      fault={errors.all}
      onSubmit={create}
      onClose={onClose}
    >
      <p className="text-muted text-sm">
        Nothing starts by schedule in a blackout. Running executions continue; run now, retries and backfills start
        nevertheless.
      </p>
      <TextField label="Reason" maxLength={500} hint="Shown with the jobs that it defers" {...field('reason')} />
      <TimeField label="From" hint="In your zone. Default: now" {...time('startsAt')} />
      <TimeField label="To" hint="In your zone" {...time('endsAt')} />
      {!job && (
        <>
          <TextField
            label="Only jobs with the tag"
            hint="Default: all jobs"
            list="tags"
            autoComplete="off"
            {...field('tag')}
          />
          <datalist id="tags">
            {tags.data?.tags.map(({ tag }) => (
              <option key={tag} value={tag} />
            ))}
          </datalist>
          <JobField {...field('jobId')} />
        </>
      )}
      <SelectField
        label="At its end"
        hint={END_POLICIES.find(([name]) => name === values.onEnd)?.[2]}
        value={values.onEnd}
        onChange={(event) => setValues({ ...values, onEnd: event.target.value as BlackoutEndPolicy })}
      >
        {END_POLICIES.map(([name, label]) => (
          <option key={name} value={name}>
            {label}
          </option>
        ))}
      </SelectField>
    </FormDialog>
  )
}

interface JobFieldProps {
  value: string
  error: string | undefined
  onChange: (event: { target: { value: string } }) => void
}

/** One job: found by a part of its name, kept as its id. */
function JobField({ value, error, onChange }: JobFieldProps) {
  const chosen = UUID.test(value.trim())
  const choices = useApi(
    JobChoicesDocument,
    { search: value.trim() },
    { enabled: value.trim() !== '' && !chosen, placeholderData: keepPreviousData },
  )
  const job = useApi(JobNameDocument, { id: value.trim() }, { enabled: chosen, staleTime: 60_000 })
  const name = chosen ? job.data?.job?.name : undefined
  return (
    <>
      <TextField
        label="Only the job"
        hint={name ? `“${name}”` : 'Type a part of its name and choose it. Default: all jobs'}
        list="job-choices"
        autoComplete="off"
        spellCheck={false}
        value={value}
        error={error}
        onChange={onChange}
      />
      <datalist id="job-choices">
        {choices.data?.jobsPage.nodes.map(({ id, name }) => (
          <option key={id} value={id}>
            {name}
          </option>
        ))}
      </datalist>
    </>
  )
}

const UUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i
