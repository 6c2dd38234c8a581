import { useState } from 'react'
import { send } from '@/api/client'
import { type CalendarRowFragment, CreateCalendarDocument, UpdateCalendarDocument } from '@/api/generated'
import { useSaving } from '@/commands/saving'
import { TextArea, TextField } from '@/components/field'
import { FormDialog } from '@/components/form-dialog'
import { enumLabel } from '@/components/status'
import { viewerZone } from '@/format/time'
import { type CalendarValues, inputOf, valuesOf, WEEKDAYS } from './rules'

interface CalendarDialogProps {
  /** The calendar to edit; null for a new one. */
  calendar: CalendarRowFragment | null
  onClose: () => void
}

/** Creates or edits a calendar. */
export function CalendarDialog({ calendar, onClose }: CalendarDialogProps) {
  const [values, setValues] = useState(() => valuesOf(calendar, viewerZone))
  const { errors, busy, save } = useSaving(onClose)
  const write = async () => {
    const input = inputOf(values)
    if (calendar) await send(UpdateCalendarDocument, { input, version: calendar.version })
    else await send(CreateCalendarDocument, { input })
    return `Calendar “${values.name}” is saved.`
  }
  const field = (name: Exclude<keyof CalendarValues, 'excludeWeekdays' | 'original'>) => ({
    value: values[name],
    error: errors[name],
    onChange: (event: { target: { value: string } }) => setValues({ ...values, [name]: event.target.value }),
  })
  return (
    <FormDialog
      wide
      title={calendar ? `Calendar “${calendar.name}”` : 'New calendar'}
      action="Save"
      busy={busy}
      fault={errors.all}
      onSubmit={() => void save(write)}
      onClose={onClose}
    >
      <div className="grid gap-4 sm:grid-cols-2">
        <TextField
          label="Name"
          maxLength={100}
          disabled={calendar !== null}
          hint="Jobs name it so"
          {...field('name')}
        />
        <TextField label="Time zone" hint="Of its dates and times of day" {...field('timeZone')} />
      </div>
      <TextField label="Description" maxLength={2000} {...field('description')} />
      <fieldset className="flex flex-wrap gap-x-4 gap-y-2">
        <legend className="mb-1 font-medium text-sm">Weekdays that do not count</legend>
        {WEEKDAYS.map((day) => (
          <label key={day} className="flex items-center gap-1.5 text-sm">
            <input
              type="checkbox"
              className="accent-accent"
              checked={values.excludeWeekdays.includes(day)}
              onChange={(event) =>
                setValues({
                  ...values,
                  excludeWeekdays: event.target.checked
                    ? [...values.excludeWeekdays, day]
                    : values.excludeWeekdays.filter((one) => one !== day),
                })
              }
            />
            {enumLabel(day)}
          </label>
        ))}
      </fieldset>
      <div className="grid gap-4 sm:grid-cols-2">
        <TextArea
          label="Dates that do not count"
          hint="2026-12-25, each year 12-25, or 2026-12-24/2027-01-02; one a line"
          {...field('excludeDates')}
        />
        <TextArea label="Dates that count all the same" hint="As above" {...field('includeDates')} />
        <TextArea
          label="Times of day that do not count"
          hint="22:00-06:00, over midnight too, or 12:00-13:00 Fri, Sat; one a line"
          {...field('excludeWindows')}
        />
        <TextArea
          label="The only times of day that count"
          hint="09:00-17:00; one a line"
          {...field('includeWindows')}
        />
      </div>
    </FormDialog>
  )
}
