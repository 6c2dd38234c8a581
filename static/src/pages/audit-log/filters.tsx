import { AUDIT_OUTCOME_VALUES } from '@/api/generated'
import { type AuditSearch, OBJECT_KINDS } from '@/audit/filter'
import { FilterBar } from '@/components/filter-bar'
import { FilterChip } from '@/components/filter-chip'
import { FilterSelect } from '@/components/filter-select'
import { SearchField } from '@/components/search-field'
import { TimeRange } from '@/components/time-range'

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
            <FilterChip clear="Show all objects" onClear={() => onChange({ object: undefined })}>
              Object: {search.object}
            </FilterChip>
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
      <FilterSelect
        label="Kind of object"
        any="Any object"
        all={OBJECT_KINDS}
        chosen={search.kind}
        onChange={(kind) => onChange({ kind })}
      />
      <FilterSelect
        label="Outcome"
        any="Any outcome"
        all={AUDIT_OUTCOME_VALUES}
        chosen={search.outcome}
        onChange={(outcome) => onChange({ outcome })}
      />
      <TimeRange from={search.from} to={search.to} onChange={onChange} />
    </FilterBar>
  )
}
