import { ChevronDown, X } from 'lucide-react'
import { JobNameDocument, NodeNamesDocument } from '@/api/generated'
import { useApi } from '@/api/queries'
import { buttonClass } from '@/components/button'
import { Checkbox } from '@/components/checkbox'
import { Select } from '@/components/field'
import { FilterBar } from '@/components/filter-bar'
import { FilterMenu } from '@/components/filter-menu'
import { Menu, MenuItem, MenuLine } from '@/components/menu'
import { RangeBound } from '@/components/range-bound'
import { SearchField } from '@/components/search-field'
import type { ExecutionsSearch } from '@/filters/address'
import { EXECUTION_KINDS, EXECUTION_REASONS, EXECUTION_STATUSES } from '@/filters/enums'
import { PRESETS } from '@/format/ranges'
import { databaseNow } from '@/lib/clock'

interface FiltersProps {
  search: ExecutionsSearch
  onChange: (next: Partial<ExecutionsSearch>) => void
}

/** The filters; kept in the address. */
export function Filters({ search, onChange }: FiltersProps) {
  const nodes = useApi(NodeNamesDocument, {}, { staleTime: 10_000 })
  const orNone = <Value,>(values: Value[]) => (values.length > 0 ? values : undefined)
  return (
    <FilterBar
      first={
        <>
          <SearchField
            label="Search executions"
            hint="Job, error or id"
            value={search.search ?? ''}
            onChange={(text) => onChange({ search: text || undefined, in: text ? search.in : undefined })}
          />
          {search.search && <OutputSearchBox search={search} onChange={onChange} />}
          {search.job && <JobFilterChip id={search.job} onClear={() => onChange({ job: undefined })} />}
        </>
      }
      active={[search.status, search.reason, search.kind, search.node, search.from, search.to].filter(Boolean).length}
    >
      <FilterMenu
        label="Status"
        all={EXECUTION_STATUSES}
        chosen={search.status}
        onChange={(status) => onChange({ status: orNone(status) })}
      />
      <FilterMenu
        label="Reason"
        all={EXECUTION_REASONS}
        chosen={search.reason}
        onChange={(reason) => onChange({ reason: orNone(reason) })}
      />
      <FilterMenu
        label="Kind"
        all={EXECUTION_KINDS}
        chosen={search.kind}
        onChange={(kind) => onChange({ kind: orNone(kind) })}
      />
      <Select
        aria-label="Node"
        value={search.node ?? ''}
        onChange={({ target }) => onChange({ node: target.value || undefined })}
      >
        <option value="">Any node</option>
        {nodes.data?.nodes.map((node) => (
          <option key={node.id} value={node.id}>
            {node.name}
            {node.state === 'ACTIVE' ? '' : ` (${node.state.toLowerCase()} ${node.id.slice(-4)})`}
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

/** Outputs have no index: one day of them is searched, unless the range has a start. */
const OUTPUTS_HOURS = 24

function OutputSearchBox({ search, onChange }: FiltersProps) {
  const since = () => new Date(databaseNow() - OUTPUTS_HOURS * 3_600_000).toISOString()
  return (
    <span className="flex items-center gap-2 text-sm">
      <Checkbox
        label="Search in outputs too"
        checked={search.in === 'outputs'}
        onChange={(checked) => onChange(checked ? { in: 'outputs', from: search.from ?? since() } : { in: undefined })}
      />
      <span aria-hidden className="text-muted">
        in outputs too
      </span>
    </span>
  )
}

function JobFilterChip({ id, onClear }: { id: string; onClear: () => void }) {
  const { data } = useApi(JobNameDocument, { id }, { staleTime: 60_000 })
  return (
    <button type="button" onClick={onClear} className={`${buttonClass()} max-w-72 border-accent text-accent`}>
      <span className="truncate">Job: {data?.job?.name ?? id}</span>
      <X size={14} aria-label="Show all jobs" className="shrink-0" />
    </button>
  )
}
