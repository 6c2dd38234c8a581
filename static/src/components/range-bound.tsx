import { useId } from 'react'
import { fromLocalInput, timeFault, toLocalInput } from '@/format/time'
import { TimeInput } from './time-field'

interface RangeBoundProps {
  label: string
  value: string | undefined
  onChange: (value: string | undefined) => void
}

/** One end of a range of times, in the viewer's zone. */
export function RangeBound({ label, value, onChange }: RangeBoundProps) {
  const id = useId()
  return (
    <span className="flex items-center gap-2 text-muted text-sm">
      <label htmlFor={id}>{label}</label>
      <TimeInput
        id={id}
        value={value ? toLocalInput(value) : ''}
        onChange={(local) => {
          // A text that is no time does not change the filter.
          if (!timeFault(local)) onChange(fromLocalInput(local))
        }}
        className="w-48"
      />
    </span>
  )
}
