// When the job fires: the fields of its schedule type.

import { clsx } from 'clsx'
import { useController, useFormContext } from 'react-hook-form'
import { CalendarNamesDocument, type JobScheduleType } from '@/api/generated'
import { useApi } from '@/api/queries'
import { SelectField, TextField } from '@/components/field'
import { Panel } from '@/components/panel'
import { TimeField } from '@/components/time-field'
import { inUnits } from '@/format/duration'
import { timeFault } from '@/format/time'
import { CronFields } from './cron-fields'
import { useFieldProps } from './fields'
import type { FormValues } from './values'

const TYPES: { value: JobScheduleType; label: string; means: string }[] = [
  { value: 'CRON', label: 'Cron', means: 'At the times and days of an expression' },
  { value: 'FIXED_RATE', label: 'Fixed rate', means: 'On a grid that no delay, pause or restart moves' },
  { value: 'FIXED_DELAY', label: 'Fixed delay', means: 'An interval after the end of each run' },
  { value: 'ONCE', label: 'Once', means: 'At one instant' },
  { value: 'ON_DEMAND', label: 'On demand', means: 'Never by itself: on request only' },
]

export function ScheduleFields() {
  const { register, watch } = useFormContext<FormValues>()
  const field = useFieldProps()
  const type = watch('scheduleType')
  const seconds = Number(watch('intervalSeconds'))
  const interval = type === 'FIXED_RATE' || type === 'FIXED_DELAY'
  return (
    <Panel title="Schedule">
      <div className="flex flex-col gap-4">
        <fieldset className="grid gap-2 sm:grid-cols-2 xl:grid-cols-5">
          <legend className="sr-only">Schedule type</legend>
          {TYPES.map(({ value, label, means }) => (
            <label
              key={value}
              className={clsx(
                'flex cursor-pointer flex-col gap-0.5 rounded-md border p-2.5 text-sm',
                type === value ? 'border-accent bg-accent/8' : 'hover:bg-hover',
              )}
            >
              <span className="flex items-center gap-2 font-medium">
                <input type="radio" value={value} {...register('scheduleType')} className="accent-accent" />
                {label}
              </span>
              <span className="text-muted text-xs">{means}</span>
            </label>
          ))}
        </fieldset>
        {type === 'CRON' && <CronFields />}
        {interval && (
          <div className="grid gap-4 sm:grid-cols-2">
            <TextField
              label={type === 'FIXED_RATE' ? 'Interval in seconds' : 'Delay after each run, in seconds'}
              inputMode="numeric"
              hint={seconds > 0 ? inUnits(seconds) : undefined}
              {...field('intervalSeconds', { number: true, required: true })}
            />
            <TextField
              label="Initial delay in seconds"
              inputMode="numeric"
              hint="From creation to the first fire time. Default: none"
              {...field('initialDelaySeconds', { number: true })}
            />
          </div>
        )}
        {type !== 'ON_DEMAND' && <Limits type={type} />}
      </div>
    </Panel>
  )
}

/** When the schedule begins and ends, and which of its fire times count. */
function Limits({ type }: { type: JobScheduleType }) {
  const field = useFieldProps()
  return (
    <>
      <div className="grid gap-4 sm:grid-cols-2">
        <InstantField name="startAt" label={type === 'ONCE' ? 'At' : 'Not before'} required={type === 'ONCE'} />
        {type !== 'ONCE' && <InstantField name="endAt" label="Not after" required={false} />}
      </div>
      <div className="grid gap-4 sm:grid-cols-3">
        <CalendarField />
        {type !== 'ONCE' && (
          <TextField
            label="Maximum runs"
            inputMode="numeric"
            hint="The job ends after this many"
            {...field('maxRuns', { number: true })}
          />
        )}
        {type !== 'FIXED_DELAY' && (
          <TextField
            label="Jitter in seconds"
            inputMode="numeric"
            hint="Spreads the starts: each is late by up to this time"
            {...field('jitterSeconds', { number: true })}
          />
        )}
      </div>
    </>
  )
}

function InstantField({ name, label, required }: { name: 'startAt' | 'endAt'; label: string; required: boolean }) {
  const { field, fieldState } = useController<FormValues, 'startAt' | 'endAt'>({
    name,
    rules: { required: required && 'This is needed', validate: (text) => timeFault(text) ?? true },
  })
  const { ref, value, onChange } = field
  return (
    <TimeField
      label={label}
      hint="In your zone"
      error={fieldState.error?.message}
      {...{ ref, name, value }}
      onChange={(local) => {
        onChange(local)
        field.onBlur()
      }}
    />
  )
}

function CalendarField() {
  const { register } = useFormContext<FormValues>()
  const { error } = useFieldProps()('calendar')
  return (
    <SelectField label="Calendar" hint="Fire times that it excludes do not run" error={error} {...register('calendar')}>
      <option value="">None: every fire time counts</option>
      <CalendarOptions />
    </SelectField>
  )
}

function CalendarOptions() {
  const { data } = useApi(CalendarNamesDocument, {}, { staleTime: 10_000 })
  const namespace = useFormContext<FormValues>().watch('namespace')
  // A job may name the calendars of its namespace only.
  const calendars = data?.calendars.filter((calendar) => calendar.namespace === namespace)
  return calendars?.map(({ name }) => (
    <option key={name} value={name}>
      {name}
    </option>
  ))
}
