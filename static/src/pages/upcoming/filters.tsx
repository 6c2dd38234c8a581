import { TagsDocument } from '@/api/generated'
import { useApi } from '@/api/queries'
import type { UpcomingSearch } from '@/app/filters'
import { HIDDEN, SCHEDULE_TYPES } from '@/app/words'
import { Select } from '@/components/field'
import { FilterBar } from '@/components/filter-bar'
import { FilterMenu } from '@/components/filter-menu'
import { count } from '@/text/number'

const TAGS_STALE_MILLIS = 30_000

/** A fixed delay is not planned. */
const PLANNED = SCHEDULE_TYPES.filter((type) => type !== 'FIXED_DELAY')

interface FiltersProps {
  search: UpcomingSearch
  onChange: (next: Partial<UpcomingSearch>) => void
}

/** Which jobs are planned; kept in the address. */
export function Filters({ search, onChange }: FiltersProps) {
  const tags = useApi(TagsDocument, {}, { staleTime: TAGS_STALE_MILLIS })
  const counts = new Map(tags.data?.tags.map(({ tag, jobs }) => [tag, jobs]))
  const names = [...new Set([...counts.keys(), ...(search.tag ?? [])])]
  const orNone = <Value,>(values: Value[]) => (values.length > 0 ? values : undefined)
  return (
    <FilterBar active={[search.type, search.tag, search.hide].filter(Boolean).length}>
      <FilterMenu
        label="Schedule"
        all={PLANNED}
        chosen={search.type}
        onChange={(type) => onChange({ type: orNone(type) })}
      />
      {names.length > 0 && (
        <FilterMenu
          label="Tag"
          all={names}
          chosen={search.tag}
          show={(tag) => (counts.has(tag) ? `${tag} (${count(counts.get(tag) ?? 0)})` : tag)}
          onChange={(tag) => onChange({ tag: orNone(tag) })}
        />
      )}
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
