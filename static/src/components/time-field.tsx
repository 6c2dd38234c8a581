// A time that is typed on a clock of 24 hours, or picked. The browser's own field would follow its language: "10:00
// PM".

import { clsx } from 'clsx'
import { CalendarDays } from 'lucide-react'
import { type Ref, useRef, useState } from 'react'
import { fromLocalInput, toLocalInput } from '@/format/time'
import { IconButton } from './button'
import { Field, INPUT_CLASS } from './field'

interface TimeInputProps {
  ref?: Ref<HTMLInputElement>
  id?: string
  name?: string
  'aria-describedby'?: string | undefined
  'aria-invalid'?: true | undefined
  /** On the viewer's wall clock: 2026-11-24T10:00:00. A text that is no time is kept. */
  value: string
  /** Called when a time is complete, and after the typing. */
  onChange: (value: string) => void
  className?: string
}

export function TimeInput({ value, onChange, className, ...rest }: TimeInputProps) {
  const [draft, setDraft] = useState<string | null>(null)
  const picker = useRef<HTMLInputElement>(null)
  const type = (text: string) => {
    setDraft(text)
    const instant = fromLocalInput(text)
    // A date alone may be the start of a date with a time.
    if (instant && /\d:\d\d/.test(text)) onChange(toLocalInput(instant))
  }
  const end = () => {
    if (draft === null) return
    const instant = fromLocalInput(draft)
    setDraft(null)
    onChange(instant ? toLocalInput(instant) : draft)
  }
  return (
    <span className={clsx('relative flex min-w-0', className)}>
      <input
        type="text"
        autoComplete="off"
        spellCheck={false}
        placeholder="2026-11-24 10:00"
        {...rest}
        value={draft ?? value.replace('T', ' ')}
        onChange={(event) => type(event.target.value)}
        onBlur={end}
        onKeyDown={(event) => event.key === 'Enter' && end()}
        className={`${INPUT_CLASS} pr-9`}
      />
      <IconButton
        icon={CalendarDays}
        label="Choose a time"
        className="absolute top-0 right-0"
        onClick={() => picker.current?.showPicker()}
      />
      <input
        ref={picker}
        type="datetime-local"
        step={1}
        tabIndex={-1}
        aria-hidden
        value={timeOf(value)}
        onChange={(event) => onChange(event.target.value)}
        className="pointer-events-none absolute right-0 bottom-0 size-px opacity-0"
      />
    </span>
  )
}

/** The form of the native field. */
function timeOf(value: string): string {
  const instant = fromLocalInput(value)
  return instant ? toLocalInput(instant) : ''
}

interface TimeFieldProps extends Omit<TimeInputProps, 'id' | 'aria-describedby' | 'aria-invalid'> {
  label: string
  hint?: string
  error?: string | undefined
}

/** The time input with a label. */
export function TimeField({ label, hint, error, ...rest }: TimeFieldProps) {
  return <Field {...{ label, hint, error }}>{(ids) => <TimeInput {...rest} {...ids} />}</Field>
}
