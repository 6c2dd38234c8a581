import { useState } from 'react'
import { INPUT_CLASS, Select } from '@/components/field'
import { FilterBar } from '@/components/filter-bar'
import { FilterMenu } from '@/components/filter-menu'
import { SearchField } from '@/components/search-field'
import { enumLabel } from '@/components/status'
import { TagFilter, useTags } from '@/components/tag-filter'
import type { JobsSearch } from '@/filters/address'
import { JOB_OUTCOMES, JOB_STATES, JOB_STATUSES, ORDERS, SCHEDULE_TYPES } from '@/filters/enums'
import { NamespaceFilter } from '@/namespaces/filter'

interface FiltersProps {
  search: JobsSearch
  onChange: (next: Partial<JobsSearch>) => void
}

/** The filters; kept in the address. */
export function Filters({ search, onChange }: FiltersProps) {
  const { names } = useTags(search.tag)
  return (
    <FilterBar
      first={
        <SearchField
          label="Search jobs"
          hint="Name, description or id"
          value={search.search ?? ''}
          onChange={(text) => onChange({ search: text || undefined })}
        />
      }
      active={
        [search.namespace, search.status, search.state, search.type, search.tag, search.outcome].filter(Boolean).length
      }
    >
      <NamespaceFilter chosen={search.namespace} onChange={(namespace) => onChange({ namespace })} />
      <FilterMenu
        label="Status"
        all={JOB_STATUSES}
        chosen={search.status}
        onChange={(status) => onChange({ status: orNone(status) })}
      />
      <FilterMenu
        label="State"
        all={JOB_STATES}
        chosen={search.state}
        onChange={(state) => onChange({ state: orNone(state) })}
      />
      <FilterMenu
        label="Schedule"
        all={SCHEDULE_TYPES}
        chosen={search.type}
        onChange={(type) => onChange({ type: orNone(type) })}
      />
      <TagFilter chosen={search.tag} onChange={(tag) => onChange({ tag })} />
      {names.length > TAGS_LISTED && (
        <TagField
          tags={names.filter((tag) => !search.tag?.includes(tag))}
          onChoose={(tag) => onChange({ tag: [...(search.tag ?? []), tag] })}
        />
      )}
      <FilterMenu
        label="Last outcome"
        all={JOB_OUTCOMES}
        chosen={search.outcome}
        show={(outcome) => (outcome === 'NONE' ? 'Has not run' : enumLabel(outcome))}
        onChange={(outcome) => onChange({ outcome: orNone(outcome) })}
      />
      <Select
        aria-label="Order"
        className="md:ml-auto"
        value={search.order ?? 'NEWEST'}
        onChange={({ target }) => {
          const order = ORDERS.find((one) => one === target.value)
          onChange({ order: order === 'NEWEST' ? undefined : order })
        }}
      >
        {ORDERS.map((order) => (
          <option key={order} value={order}>
            {ORDER_LABELS[order]}
          </option>
        ))}
      </Select>
    </FilterBar>
  )
}

/** A larger number of tags is searched by typing. */
const TAGS_LISTED = 12

/** Adds one of many tags to the filter. */
function TagField({ tags, onChoose }: { tags: string[]; onChoose: (tag: string) => void }) {
  const [text, setText] = useState('')
  const choose = (tag: string) => {
    const known = tags.includes(tag)
    setText(known ? '' : tag)
    if (known) onChoose(tag)
  }
  return (
    <>
      <input
        aria-label="Add a tag to the filter"
        placeholder="Tag…"
        list="tag-choices"
        autoComplete="off"
        value={text}
        onChange={({ target, nativeEvent }) => {
          const { inputType } = nativeEvent as InputEvent
          // From the list only: while the user types, one tag may be the start of another.
          if (inputType === undefined || inputType === 'insertReplacementText') choose(target.value)
          else setText(target.value)
        }}
        onKeyDown={({ key }) => key === 'Enter' && choose(text)}
        className={`${INPUT_CLASS} md:w-32`}
      />
      <datalist id="tag-choices">
        {tags.map((tag) => (
          <option key={tag} value={tag} />
        ))}
      </datalist>
    </>
  )
}

const ORDER_LABELS: Record<(typeof ORDERS)[number], string> = {
  NEWEST: 'Newest first',
  OLDEST: 'Oldest first',
  NAME: 'By name',
  NEXT_FIRE_TIME: 'By next fire time',
}

const orNone = <Value,>(values: Value[]) => (values.length > 0 ? values : undefined)
