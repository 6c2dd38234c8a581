import { JobNameDocument, NodeNamesDocument } from '@/api/generated'
import { useApi } from '@/api/queries'
import { Checkbox } from '@/components/checkbox'
import { FilterBar } from '@/components/filter-bar'
import { FilterChip } from '@/components/filter-chip'
import { FilterMenu } from '@/components/filter-menu'
import { FilterSelect } from '@/components/filter-select'
import { SearchField } from '@/components/search-field'
import { TimeRange } from '@/components/time-range'
import type { ExecutionsSearch } from '@/filters/address'
import { EXECUTION_KINDS, EXECUTION_REASONS, EXECUTION_STATUSES } from '@/filters/enums'
import { databaseNow } from '@/lib/clock'
import { NamespaceFilter } from '@/namespaces/filter'

interface FiltersProps {
  search: ExecutionsSearch
  onChange: (next: Partial<ExecutionsSearch>) => void
}

/** The filters; kept in the address. */
export function Filters({ search, onChange }: FiltersProps) {
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
      active={
        [search.namespace, search.status, search.reason, search.kind, search.node, search.from, search.to].filter(
          Boolean,
        ).length
      }
    >
      <NamespaceFilter chosen={search.namespace} onChange={(namespace) => onChange({ namespace })} />
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
      <NodeFilter chosen={search.node} onChange={(node) => onChange({ node })} />
      <TimeRange from={search.from} to={search.to} onChange={onChange} />
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
    <FilterChip clear="Show all jobs" onClear={onClear}>
      Job: {data?.job?.name ?? id}
    </FilterChip>
  )
}

interface NodeFilterProps {
  chosen: string | undefined
  onChange: (node: string | undefined) => void
}

function NodeFilter({ chosen, onChange }: NodeFilterProps) {
  const { data } = useApi(NodeNamesDocument, {}, { staleTime: 10_000 })
  const labels = new Map(
    data?.nodes.map(({ id, name, state }) => [
      id,
      state === 'ACTIVE' ? name : `${name} (${state.toLowerCase()} ${id.slice(-4)})`,
    ]),
  )
  return (
    <FilterSelect
      label="Node"
      any="Any node"
      all={[...labels.keys()]}
      chosen={chosen}
      show={(id) => labels.get(id) ?? id}
      onChange={onChange}
    />
  )
}
