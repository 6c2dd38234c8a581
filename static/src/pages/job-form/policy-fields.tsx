// Policies for fire times that are late, overlap or fail.

import { useFormContext } from 'react-hook-form'
import type { MisfirePolicy, OverlapPolicy, Recovery } from '@/api/generated'
import { SelectField, TextField } from '@/components/field'
import { Panel } from '@/components/panel'
import { useFieldProps } from './fields'
import type { FormValues } from './values'

const MISFIRES: [MisfirePolicy, string, string][] = [
  ['FIRE_ONCE', 'Run the last one', 'After an outage the last missed fire time runs; the others are folded into it.'],
  ['FIRE_ALL', 'Run them all', 'After an outage every missed fire time runs, oldest first.'],
  ['SKIP', 'Run none', 'After an outage no missed fire time runs.'],
]

const OVERLAPS: [OverlapPolicy, string, string][] = [
  ['ALLOW', 'Run at the same time', 'Executions of this job may overlap.'],
  ['SKIP', 'Skip it', 'A fire time that comes during an execution is skipped.'],
  ['BUFFER_ONE', 'Let one wait', 'One fire time waits for the end; others are skipped.'],
  ['BUFFER_ALL', 'Let all wait', 'All wait and run one by one, at most 1,000.'],
  ['CANCEL_OTHER', 'Cancel the running one', 'The running execution is cancelled; the newest replaces it.'],
]

const RECOVERIES: [Recovery, string, string][] = [
  ['RERUN', 'Run it again', 'At least once: the target may see it twice, with the same idempotency key.'],
  ['MARK_LOST', 'Record it as lost', 'At most once: there is no second run.'],
]

export function PolicyFields() {
  const { register, watch } = useFormContext<FormValues>()
  const field = useFieldProps()
  const means = (table: [string, string, string][], value: string) => table.find(([name]) => name === value)?.[2]
  const retries = Number(watch('retry.maxAttempts')) > 1
  return (
    <Panel title="Policies">
      <div className="flex flex-col gap-4">
        <div className="grid gap-4 sm:grid-cols-2">
          <SelectField
            label="Misfire policy"
            hint={means(MISFIRES, watch('misfirePolicy'))}
            {...register('misfirePolicy')}
          >
            <Options of={MISFIRES} />
          </SelectField>
          <TextField
            label="Misfire grace in seconds"
            inputMode="numeric"
            hint="A fire time that is found later is missed"
            {...field('misfireGraceSeconds', { number: true })}
          />
        </div>
        {watch('misfirePolicy') === 'FIRE_ALL' && (
          <div className="grid gap-4 sm:grid-cols-2">
            <TextField
              label="Catch-up window in seconds"
              inputMode="numeric"
              hint="Older fire times are skipped"
              {...field('catchUpWindowSeconds', { number: true })}
            />
            <TextField
              label="Maximum caught up"
              inputMode="numeric"
              hint="Number of newest fire times that run"
              {...field('maxCatchUp', { number: true })}
            />
          </div>
        )}
        <div className="grid gap-4 sm:grid-cols-2">
          <SelectField
            label="Overlap policy"
            hint={means(OVERLAPS, watch('overlapPolicy'))}
            {...register('overlapPolicy')}
          >
            <Options of={OVERLAPS} />
          </SelectField>
          <TextField
            label="Time-out in seconds"
            inputMode="numeric"
            hint="Time limit of one attempt. Default: none"
            {...field('timeoutSeconds', { number: true })}
          />
        </div>
        <div className="grid gap-4 sm:grid-cols-4">
          <TextField
            label="Attempts"
            inputMode="numeric"
            hint="1: a failure is final"
            {...field('retry.maxAttempts', { number: true })}
          />
          {retries && (
            <>
              <TextField
                label="First delay, seconds"
                inputMode="numeric"
                hint="At most; a random part of it"
                {...field('retry.initialBackoffSeconds', { number: true })}
              />
              <TextField
                label="Longest delay, seconds"
                inputMode="numeric"
                {...field('retry.maxBackoffSeconds', { number: true })}
              />
              <TextField
                label="Multiplier"
                inputMode="decimal"
                hint="Growth from one to the next"
                {...field('retry.multiplier', { number: true })}
              />
            </>
          )}
        </div>
        <TextField
          label="Retention: executions kept"
          inputMode="numeric"
          hint="Number of newest executions in the log. Default: by age"
          {...field('retainExecutions', { number: true })}
        />
        <label className="flex items-center gap-2 text-sm">
          <input type="checkbox" {...register('pauseOnFailure')} className="accent-accent" />
          Pause the job when an execution fails for good
        </label>
        <div className="grid gap-4 sm:grid-cols-2">
          <SelectField
            label="Recovery, when its node dies"
            hint={means(RECOVERIES, watch('recovery'))}
            {...register('recovery')}
          >
            <Options of={RECOVERIES} />
          </SelectField>
          {watch('recovery') === 'RERUN' && (
            <TextField
              label="Maximum recoveries"
              inputMode="numeric"
              hint="With more deaths the execution fails: CRASH_LOOP"
              {...field('maxRecoveries', { number: true })}
            />
          )}
        </div>
      </div>
    </Panel>
  )
}

function Options({ of }: { of: [string, string, string][] }) {
  return of.map(([value, label]) => (
    <option key={value} value={value}>
      {label}
    </option>
  ))
}
