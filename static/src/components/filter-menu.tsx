import { clsx } from 'clsx'
import { ChevronDown } from 'lucide-react'
import { buttonClass } from './button'
import { Menu, MenuCheck, MenuItem, MenuLine } from './menu'
import { enumLabel } from './status'

interface FilterMenuProps<Value extends string> {
  label: string
  all: readonly Value[]
  chosen: readonly Value[] | undefined
  onChange: (chosen: Value[]) => void
  /** The label of a value. Default: the value as a label. */
  show?: (value: Value) => string
}

/** A filter with several values; none chosen means all. */
export function FilterMenu<Value extends string>({
  label,
  all,
  chosen = [],
  onChange,
  show = enumLabel,
}: FilterMenuProps<Value>) {
  return (
    <Menu
      align="start"
      trigger={
        <button
          type="button"
          className={clsx(buttonClass(), 'max-w-64', chosen.length > 0 && 'border-accent text-accent')}
        >
          <span className="truncate">
            {label}
            {chosen.length > 0 && `: ${chosen.map(show).join(', ')}`}
          </span>
          <ChevronDown size={14} aria-hidden className="shrink-0" />
        </button>
      }
    >
      {all.map((value) => (
        <MenuCheck
          key={value}
          checked={chosen.includes(value)}
          onChange={(checked) => onChange(checked ? [...chosen, value] : chosen.filter((one) => one !== value))}
        >
          <span className="max-w-60 truncate">{show(value)}</span>
        </MenuCheck>
      ))}
      {chosen.length > 0 && (
        <>
          <MenuLine />
          <MenuItem onSelect={() => onChange([])}>Clear</MenuItem>
        </>
      )}
    </Menu>
  )
}
