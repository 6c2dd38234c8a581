// A cron expression, built from choices or typed; each follows the other.

import { useState } from 'react'
import { useFormContext } from 'react-hook-form'
import type { DstGap, DstOverlap } from '@/api/generated'
import { INPUT_CLASS, Select, SelectField, TextField } from '@/components/field'
import { type Choices, choicesOf, expressionOf, PLAIN, type Rhythm } from './cron-builder'
import { useFieldProps } from './fields'
import type { FormValues } from './values'

const RHYTHMS: [Rhythm, string][] = [
  ['minutes', 'Every few minutes'],
  ['hourly', 'Every hour'],
  ['daily', 'Every day'],
  ['weekly', 'On weekdays'],
  ['monthly', 'Every month'],
]

const WEEKDAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat']

const GAPS: [DstGap, string, string][] = [
  ['RUN_AT_GAP_END', 'Run at the end of the gap', 'Fixed hours run once; intervals go on.'],
  ['SKIP', 'Do not run', 'The skipped time does not run.'],
  ['SHIFT_BY_GAP', 'Shift by the gap', 'The skipped time runs later, by the length of the gap.'],
]

const OVERLAPS: [DstOverlap, string, string][] = [
  ['AUTO', 'Automatic', 'Intervals run both times, times of day once.'],
  ['FIRST', 'Run the first time', 'Once, before the clock goes back.'],
  ['SECOND', 'Run the second time', 'Once, after the clock went back.'],
  ['BOTH', 'Run both times', 'Before and after the clock goes back.'],
]

const ZONES = Intl.supportedValuesOf('timeZone')

export function CronFields() {
  const { register, watch, setValue } = useFormContext<FormValues>()
  const field = useFieldProps()
  const choices = choicesOf(watch('cronExpression'))
  const choose = (change: Partial<Choices>) =>
    setValue('cronExpression', expressionOf({ ...(choices ?? PLAIN), ...change }), {
      shouldDirty: true,
      shouldValidate: true,
    })
  return (
    <>
      <div className="grid gap-4 lg:grid-cols-2">
        <fieldset className="flex min-w-0 flex-col gap-2">
          <legend className="mb-1 font-medium text-sm">Builder</legend>
          <Select
            aria-label="Rhythm"
            value={choices?.rhythm ?? ''}
            onChange={(event) => choose({ rhythm: event.target.value as Rhythm })}
          >
            {!choices && <option value="">As typed</option>}
            {RHYTHMS.map(([value, label]) => (
              <option key={value} value={value}>
                {label}
              </option>
            ))}
          </Select>
          {choices && <Details choices={choices} choose={choose} />}
        </fieldset>
        <TextField
          label="Expression"
          spellCheck={false}
          autoComplete="off"
          maxLength={255}
          hint="Five fields (Unix), six or seven (Quartz), or a nickname such as @daily"
          {...field('cronExpression', { required: true })}
        />
      </div>
      <div className="grid gap-4 sm:grid-cols-3">
        <TextField
          label="Time zone"
          list="zones"
          spellCheck={false}
          autoComplete="off"
          hint="An IANA name"
          {...field('timeZone', { required: true })}
        />
        <datalist id="zones">
          <option value="UTC" />
          {ZONES.map((zone) => (
            <option key={zone} value={zone} />
          ))}
        </datalist>
        <SelectField
          label="DST: skipped times"
          hint={GAPS.find(([value]) => value === watch('dstGap'))?.[2]}
          {...register('dstGap')}
        >
          {GAPS.map(([value, label]) => (
            <option key={value} value={value}>
              {label}
            </option>
          ))}
        </SelectField>
        <SelectField
          label="DST: repeated times"
          hint={OVERLAPS.find(([value]) => value === watch('dstOverlap'))?.[2]}
          {...register('dstOverlap')}
        >
          {OVERLAPS.map(([value, label]) => (
            <option key={value} value={value}>
              {label}
            </option>
          ))}
        </SelectField>
      </div>
    </>
  )
}

interface DetailsProps {
  choices: Choices
  choose: (change: Partial<Choices>) => void
}

function Details({ choices, choose }: DetailsProps) {
  const { rhythm, step, minute, hour, day, weekdays } = choices
  if (rhythm === 'minutes') {
    return (
      <Select aria-label="Minutes" value={step} onChange={(event) => choose({ step: Number(event.target.value) })}>
        {[...new Set([1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30, step])].map((minutes) => (
          <option key={minutes} value={minutes}>
            {minutes === 1 ? 'Every minute' : `Every ${minutes} minutes`}
          </option>
        ))}
      </Select>
    )
  }
  if (rhythm === 'hourly') {
    return (
      <Select aria-label="Minute" value={minute} onChange={(event) => choose({ minute: Number(event.target.value) })}>
        {[...Array(60).keys()].map((minutes) => (
          <option key={minutes} value={minutes}>{`At minute ${minutes}`}</option>
        ))}
      </Select>
    )
  }
  return (
    <div className="flex flex-wrap items-center gap-2">
      <TimeOfDay hour={hour} minute={minute} onChange={choose} />
      {rhythm === 'weekly' &&
        WEEKDAYS.map((name, number) => (
          <label key={name} className="flex items-center gap-1 text-sm">
            <input
              type="checkbox"
              checked={weekdays.includes(number)}
              onChange={(event) =>
                choose({
                  weekdays: event.target.checked ? [...weekdays, number] : weekdays.filter((one) => one !== number),
                })
              }
              className="accent-accent"
            />
            {name}
          </label>
        ))}
      {rhythm === 'monthly' && (
        <Select
          aria-label="Day of the month"
          value={day}
          onChange={(event) => choose({ day: Number(event.target.value) })}
        >
          {[...Array(31).keys()].map((number) => (
            <option key={number} value={number + 1}>{`On day ${number + 1}`}</option>
          ))}
          <option value={0}>On the last day</option>
        </Select>
      )}
    </div>
  )
}

interface TimeOfDayProps {
  hour: number
  minute: number
  onChange: (time: { hour: number; minute: number }) => void
}

/** On a clock of 24 hours; the browser's own field would follow its language. */
function TimeOfDay({ hour, minute, onChange }: TimeOfDayProps) {
  const [draft, setDraft] = useState<string | null>(null)
  return (
    <input
      type="text"
      aria-label="Time of day"
      autoComplete="off"
      placeholder="09:00"
      value={draft ?? `${String(hour).padStart(2, '0')}:${String(minute).padStart(2, '0')}`}
      onChange={({ target }) => {
        setDraft(target.value)
        const [, hours, minutes] = /^\s*(\d{1,2}):(\d{2})\s*$/.exec(target.value) ?? []
        if (Number(hours) < 24 && Number(minutes) < 60) onChange({ hour: Number(hours), minute: Number(minutes) })
      }}
      onBlur={() => setDraft(null)}
      className={`${INPUT_CLASS} max-w-20`}
    />
  )
}
