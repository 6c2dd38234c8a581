// All jobs, with filters in the address, and commands for one job or for all matching ones.

import { getRouteApi, Link } from '@tanstack/react-router'
import { CalendarClock, Plus, SearchX } from 'lucide-react'
import { useCallback, useMemo, useState } from 'react'
import { useMay, useOffer } from '@/access/rights'
import { type JobOrder, type JobRowFragment, JobsPageDocument, type JobsPageQuery } from '@/api/generated'
import { usePollInterval } from '@/api/live'
import { usePages } from '@/api/pages'
import { useRefreshOnEvents } from '@/api/refresh'
import type { Withheld } from '@/api/still'
import { CommandLink } from '@/commands/offered'
import { buttonClass } from '@/components/button'
import { DensitySwitch } from '@/components/density-switch'
import { PagedGrid } from '@/components/paged-grid'
import { Page } from '@/components/panel'
import { Empty } from '@/components/states'
import type { JobsSearch } from '@/filters/address'
import { counted } from '@/format/number'
import { allThatMatch, NOTHING, type Selection } from '@/lib/selection'
import { NamespaceLabels } from '@/namespaces/label'
import { BulkBar } from './bulk-bar'
import { CARD_HEIGHT, columnsOf, JobCard, ROW_HEIGHT } from './columns'
import { isFiltered, jobListOf, PAGE_SIZE } from './filter'
import { Filters } from './filters'
import { JOBS_PULSE } from './pulse'

const SHOWN = { executions: [JobsPageDocument], jobs: [JobsPageDocument] }
const POLL_INTERVAL = 4_000
const route = getRouteApi('/jobs')

export default function JobsPage() {
  const search = route.useSearch()
  const navigate = route.useNavigate()
  const refetchInterval = usePollInterval(POLL_INTERVAL)
  useRefreshOnEvents(null, SHOWN)

  const list = useMemo(() => jobListOf(search), [search])
  const [still, setStill] = useState(false)
  const jobs = usePages(JobsPageDocument, list, {
    size: PAGE_SIZE,
    read,
    refetchInterval,
    keyOf,
    still,
    pulse: JOBS_PULSE,
  })

  const [selection, setSelection] = useState<Selection>(NOTHING)
  const change = useCallback(
    (next: Partial<JobsSearch>) => {
      setSelection(NOTHING)
      void navigate({ search: (before) => ({ ...before, ...next }), replace: true })
    },
    [navigate],
  )
  // Without commands there is nothing to select for.
  const onSelect = useOffer('pauseJobs').shown ? setSelection : null
  const columns = useMemo(() => columnsOf(selection, onSelect), [selection, onSelect])
  const card = useCallback(
    (job: JobRowFragment) => <JobCard job={job} selection={selection} onSelect={onSelect} />,
    [selection, onSelect],
  )
  return (
    <Page
      fixed
      title="Jobs"
      note={
        jobs.total === null
          ? 'What to run, and when'
          : counted(jobs.total, 'job') + (isFiltered(search) ? ' match' : '')
      }
      actions={
        <>
          <DensitySwitch />
          <CommandLink command="createJob" icon={Plus} label="New job">
            <Link to="/jobs/new" className={buttonClass('primary')}>
              <Plus size={15} aria-hidden />
              New job
            </Link>
          </CommandLink>
        </>
      }
    >
      <Filters search={search} onChange={change} />
      {selection !== NOTHING && (
        <BulkBar
          selection={selection}
          filter={list.filter}
          total={jobs.total}
          onAll={() => setSelection(allThatMatch)}
          onDone={() => setSelection(NOTHING)}
        />
      )}
      <NamespaceLabels>
        <PagedGrid
          label="Jobs"
          what="the jobs"
          pages={jobs}
          empty={<NoJobs filtered={isFiltered(search)} onClear={() => change(CLEARED)} />}
          columns={columns}
          keyOf={keyOf}
          rowHeight={ROW_HEIGHT}
          hasDensity
          card={card}
          cardHeight={CARD_HEIGHT}
          onStill={setStill}
          news={newsOf(jobs.withheld, list.orderBy)}
        />
      </NamespaceLabels>
    </Page>
  )
}

const keyOf = (job: JobRowFragment) => job.id
const read = (result: JobsPageQuery) => result.jobsPage

/** By next fire time jobs change places all the time; in any other order only new jobs are reported. */
function newsOf({ arrived, moved }: Withheld, order: JobOrder): string | null {
  if (order !== 'NEXT_FIRE_TIME' && arrived > 0) return `${arrived} new`
  return moved ? 'New order' : null
}

const CLEARED: JobsSearch = {
  search: undefined,
  namespace: undefined,
  status: undefined,
  state: undefined,
  type: undefined,
  tag: undefined,
  outcome: undefined,
}

function NoJobs({ filtered, onClear }: { filtered: boolean; onClear: () => void }) {
  const mayCreate = useMay('createJob')
  if (filtered) {
    return (
      <Empty icon={SearchX} title="No job matches">
        <button type="button" onClick={onClear} className="text-accent hover:underline">
          Clear the filters
        </button>
      </Empty>
    )
  }
  return (
    <Empty icon={CalendarClock} title="There are no jobs yet">
      A job defines what to run and when.{' '}
      {mayCreate && (
        <Link to="/jobs/new" className="text-accent hover:underline">
          Create the first one
        </Link>
      )}
    </Empty>
  )
}
