import { Select } from './field'
import { enumLabel } from './status'

interface FilterSelectProps<Value extends string> {
  /** Read out. */
  label: string
  /** The choice without a condition, such as "Any node". */
  any: string
  all: readonly Value[]
  chosen: Value | undefined
  onChange: (chosen: Value | undefined) => void
  /** The label of a value. Default: the value as a label. */
  show?: (value: Value) => string
}

/** A filter with one value. */
export function FilterSelect<Value extends string>({
  label,
  any,
  all,
  chosen,
  onChange,
  show = enumLabel,
}: FilterSelectProps<Value>) {
  return (
    <Select
      aria-label={label}
      value={chosen ?? ''}
      onChange={({ target }) => onChange(all.find((value) => value === target.value))}
    >
      <option value="">{any}</option>
      {all.map((value) => (
        <option key={value} value={value}>
          {show(value)}
        </option>
      ))}
    </Select>
  )
}
