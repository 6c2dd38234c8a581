import { ChevronDown, X } from 'lucide-react'
import { AUDIT_OUTCOME_VALUES, type AuditOutcome } from '@/api/generated'
import { type AuditSearch, OBJECT_KINDS } from '@/audit/filter'
import { buttonClass } from '@/components/button'
import { Select } from '@/components/field'
import { FilterBar } from '@/components/filter-bar'
import { Menu, MenuItem, MenuLine } from '@/components/menu'
import { RangeBound } from '@/components/range-bound'
import { SearchField } from '@/components/search-field'
import { enumLabel } from '@/components/status'
import { PRESETS } from '@/format/ranges'
import { databaseNow } from '@/lib/clock'

interface FiltersProps {
  search: AuditSearch
  onChange: (next: Partial<AuditSearch>) => void
  /** Values of the entries that were read, to choose from. */
  seen: { callers: string[]; actions: string[] }
}

/** The filters; kept in the address. */
export function Filters({ search, onChange, seen }: FiltersProps) {
  return (
    <FilterBar
      first={
        <>
          <SearchField
            label="Caller"
            hint="Caller, exactly"
            value={search.caller ?? ''}
            choices={seen.callers}
            onChange={(caller) => onChange({ caller: caller.trim() || undefined })}
          />
          {search.object && (
            <button
              type="button"
              onClick={() => onChange({ object: undefined })}
              className={`${buttonClass()} max-w-72 border-accent text-accent`}
            >
              <span className="truncate">Object: {search.object}</span>
              <X size={14} aria-label="Show all objects" className="shrink-0" />
            </button>
          )}
        </>
      }
      active={[search.action, search.kind, search.outcome, search.from, search.to].filter(Boolean).length}
    >
      <SearchField
        label="Action"
        hint="Action, exactly"
        value={search.action ?? ''}
        choices={seen.actions}
        onChange={(action) => onChange({ action: action.trim() || undefined })}
      />
      <Select
        aria-label="Kind of object"
        value={search.kind ?? ''}
        onChange={({ target }) => onChange({ kind: OBJECT_KINDS.find((kind) => kind === target.value) })}
      >
        <option value="">Any object</option>
        {OBJECT_KINDS.map((kind) => (
          <option key={kind} value={kind}>
            {enumLabel(kind)}
          </option>
        ))}
      </Select>
      <Select
        aria-label="Outcome"
        value={search.outcome ?? ''}
        onChange={({ target }) => onChange({ outcome: (target.value || undefined) as AuditOutcome | undefined })}
      >
        <option value="">Any outcome</option>
        {AUDIT_OUTCOME_VALUES.map((outcome) => (
          <option key={outcome} value={outcome}>
            {enumLabel(outcome)}
          </option>
        ))}
      </Select>
      <Menu
        align="start"
        trigger={
          <button type="button" className={buttonClass()}>
            Time
            <ChevronDown size={14} aria-hidden />
          </button>
        }
      >
        {PRESETS.map(({ label, from }) => (
          <MenuItem
            key={label}
            onSelect={() => onChange({ from: from(new Date(databaseNow())).toISOString(), to: undefined })}
          >
            {label}
          </MenuItem>
        ))}
        <MenuLine />
        <MenuItem onSelect={() => onChange({ from: undefined, to: undefined })}>Any time</MenuItem>
      </Menu>
      <RangeBound label="From" value={search.from} onChange={(from) => onChange({ from })} />
      <RangeBound label="to" value={search.to} onChange={(to) => onChange({ to })} />
    </FilterBar>
  )
}
