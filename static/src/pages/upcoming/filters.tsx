import { Select } from '@/components/field'
import { FilterBar } from '@/components/filter-bar'
import { FilterMenu } from '@/components/filter-menu'
import { TagFilter } from '@/components/tag-filter'
import type { UpcomingSearch } from '@/filters/address'
import { HIDDEN, SCHEDULE_TYPES } from '@/filters/enums'

/** A fixed delay has no plan. */
const PLANNED = SCHEDULE_TYPES.filter((type) => type !== 'FIXED_DELAY')

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
      <Select
        aria-label="Frequent jobs"
        value={search.hide ?? ''}
        onChange={({ target }) => onChange({ hide: HIDDEN.find((one) => one === target.value) })}
      >
        <option value="">With all that fires often</option>
        {HIDDEN.map((every) => (
          <option key={every} value={every}>{`Without what fires every ${every}`}</option>
        ))}
      </Select>
    </FilterBar>
  )
}
