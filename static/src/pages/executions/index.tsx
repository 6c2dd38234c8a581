// Every execution of the cluster, newest first, with filters in the address.

import { getRouteApi } from '@tanstack/react-router'
import { Activity, SearchX } from 'lucide-react'
import { useCallback, useMemo, useState } from 'react'
import { useOffer } from '@/access/rights'
import {
  type ExecutionRowFragment,
  ExecutionsPageDocument,
  type ExecutionsPageQuery,
  ExecutionsSearchDocument,
} from '@/api/generated'
import { usePollInterval } from '@/api/live'
import { usePages } from '@/api/pages'
import { useRefreshOnEvents } from '@/api/refresh'
import { DensitySwitch } from '@/components/density-switch'
import { PagedGrid } from '@/components/paged-grid'
import { Page } from '@/components/panel'
import { Empty } from '@/components/states'
import type { ExecutionsSearch } from '@/filters/address'
import { counted } from '@/format/number'
import { NOTHING, type Selection } from '@/lib/selection'
import { BulkBar } from './bulk-bar'
import { CARD_HEIGHT, columnsOf, ExecutionCard, ROW_HEIGHT } from './columns'
import { executionListOf, PAGE_SIZE } from './filter'
import { Filters } from './filters'

const POLL_INTERVAL = 4_000
/** The result of a search is read again rarely: it may have searched many pages. */
const SEARCH_INTERVAL = 60_000
/** The answer has the form of the list. */
const SEARCH = ExecutionsSearchDocument as unknown as typeof ExecutionsPageDocument
const SHOWN = { executions: [ExecutionsPageDocument], jobs: [] }
const route = getRouteApi('/executions')

export default function ExecutionsPage() {
  const search = route.useSearch()
  const navigate = route.useNavigate()
  const polled = usePollInterval(POLL_INTERVAL)
  const refetchInterval = search.search ? SEARCH_INTERVAL : polled
  useRefreshOnEvents(search.job ?? null, SHOWN)

  const list = useMemo(() => executionListOf(search), [search])
  const [still, setStill] = useState(false)
  const options = { size: PAGE_SIZE, read, refetchInterval, keyOf, still }
  const executions = usePages(search.search ? SEARCH : ExecutionsPageDocument, list, options)
  const [selection, setSelection] = useState<Selection>(NOTHING)
  const change = useCallback(
    (next: Partial<ExecutionsSearch>) => {
      setSelection(NOTHING)
      void navigate({ search: (before) => ({ ...before, ...next }), replace: true })
    },
    [navigate],
  )
  // The commands have no text search: all executions of the filter would be more than the visible ones.
  const searches = search.search !== undefined
  // Without commands there is nothing to select for.
  const onSelect = useOffer('rerunExecutions').shown ? setSelection : null
  const columns = useMemo(() => columnsOf(selection, onSelect, !searches), [selection, onSelect, searches])
  const card = useCallback(
    (execution: ExecutionRowFragment) => (
      <ExecutionCard execution={execution} selection={selection} onSelect={onSelect} />
    ),
    [selection, onSelect],
  )
  const filtered = searches || Object.values(list.filter).some((value) => value !== null)
  return (
    <Page
      fixed
      title="Executions"
      actions={<DensitySwitch />}
      note={
        executions.total === null ? noteOf(search) : counted(executions.total, 'execution') + (filtered ? ' match' : '')
      }
    >
      <Filters search={search} onChange={change} />
      {onSelect && (selection !== NOTHING || (filtered && !searches)) && (
        <BulkBar
          selection={selection}
          filter={searches ? null : list.filter}
          total={executions.total}
          onSelect={onSelect}
        />
      )}
      <PagedGrid
        label="Executions"
        what="the executions"
        pages={executions}
        empty={<NoExecutions filtered={filtered} onClear={() => void navigate({ search: {} })} />}
        columns={columns}
        keyOf={keyOf}
        rowHeight={ROW_HEIGHT}
        hasDensity
        card={card}
        cardHeight={CARD_HEIGHT}
        onStill={setStill}
        news={newsOf(executions.withheld.arrived)}
      />
    </Page>
  )
}

function noteOf({ search, in: within }: ExecutionsSearch) {
  if (!search) return 'Fire times taken by the cluster, newest first'
  return `“${search}” in names and errors${within ? ', and in outputs' : ''}, newest first`
}

const keyOf = (execution: ExecutionRowFragment) => execution.id
const newsOf = (arrived: number) =>
  arrived === 0 ? null : `${arrived === PAGE_SIZE ? `${PAGE_SIZE} or more` : arrived} new`
const read = (result: ExecutionsPageQuery) => result.executionsPage

function NoExecutions({ filtered, onClear }: { filtered: boolean; onClear: () => void }) {
  if (!filtered) {
    return (
      <Empty icon={Activity} title="Nothing has run yet">
        The first execution appears as soon as a job fires.
      </Empty>
    )
  }
  return (
    <Empty icon={SearchX} title="No execution matches">
      <button type="button" onClick={onClear} className="text-accent hover:underline">
        Clear the filters
      </button>
    </Empty>
  )
}
