import { FilterBar } from '@/components/filter-bar'
import { FilterMenu } from '@/components/filter-menu'
import { FilterSelect } from '@/components/filter-select'
import { TagFilter } from '@/components/tag-filter'
import type { UpcomingSearch } from '@/filters/address'
import { HIDDEN, SCHEDULE_TYPES } from '@/filters/enums'

/** A fixed delay has no plan, and neither has a job without a schedule. */
const PLANNED = SCHEDULE_TYPES.filter((type) => type !== 'FIXED_DELAY' && type !== 'ON_DEMAND')

interface FiltersProps {
  search: UpcomingSearch
  onChange: (next: Partial<UpcomingSearch>) => void
}

/** The filters; kept in the address. */
export function Filters({ search, onChange }: FiltersProps) {
  return (
    <FilterBar active={[search.type, search.tag, search.hide].filter(Boolean).length}>
      <FilterMenu
        label="Schedule"
        all={PLANNED}
        chosen={search.type}
        onChange={(type) => onChange({ type: type.length > 0 ? type : undefined })}
      />
      <TagFilter chosen={search.tag} onChange={(tag) => onChange({ tag })} />
      <FilterSelect
        label="Frequent jobs"
        any="With all that fires often"
        all={HIDDEN}
        chosen={search.hide}
        show={(every) => `Without what fires every ${every}`}
        onChange={(hide) => onChange({ hide })}
      />
    </FilterBar>
  )
}
