import { ChevronDown } from 'lucide-react'
import { PRESETS } from '@/format/ranges'
import { databaseNow } from '@/lib/clock'
import { buttonClass } from './button'
import { Menu, MenuItem, MenuLine } from './menu'
import { RangeBound } from './range-bound'

interface Range {
  from?: string | undefined
  to?: string | undefined
}

/** A range of times as a filter: usual ranges in a menu, and both bounds. */
export function TimeRange({ from, to, onChange }: Range & { onChange: (next: Range) => void }) {
  return (
    <>
      <Menu
        align="start"
        trigger={
          <button type="button" className={buttonClass()}>
            Time
            <ChevronDown size={14} aria-hidden />
          </button>
        }
      >
        {PRESETS.map((preset) => (
          <MenuItem
            key={preset.label}
            onSelect={() => onChange({ from: preset.from(new Date(databaseNow())).toISOString(), to: undefined })}
          >
            {preset.label}
          </MenuItem>
        ))}
        <MenuLine />
        <MenuItem onSelect={() => onChange({ from: undefined, to: undefined })}>Any time</MenuItem>
      </Menu>
      <RangeBound label="From" value={from} onChange={(next) => onChange({ from: next })} />
      <RangeBound label="to" value={to} onChange={(next) => onChange({ to: next })} />
    </>
  )
}
