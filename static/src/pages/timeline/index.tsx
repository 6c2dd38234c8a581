// All jobs over time: a row for each job and a mark for each run, to see failures and parallel runs.

import { getRouteApi } from '@tanstack/react-router'
import { ChartGantt, SearchX } from 'lucide-react'
import { type ReactNode, useCallback, useMemo, useRef, useState } from 'react'
import {
  ExclusionsDocument,
  LastRunsPageDocument,
  type LastRunsPageQuery,
  TimelineDocument,
  type TimelineQuery,
} from '@/api/generated'
import { type Pages, usePages } from '@/api/pages'
import { useApi } from '@/api/queries'
import { Button } from '@/components/button'
import { PagedGrid } from '@/components/paged-grid'
import { Page } from '@/components/panel'
import { useScreen } from '@/components/screen'
import { Empty } from '@/components/states'
import { Time } from '@/components/time'
import type { TimelineSearch } from '@/filters/address'
import { TIMELINE_VIEWS } from '@/filters/enums'
import { counted } from '@/format/number'
import { useNow } from '@/lib/clock'
import { isFiltered, jobListOf } from '@/pages/jobs/filter'
import { Filters } from '@/pages/jobs/filters'
import { AxisLabels, ticksOn } from './axis'
import { closedOn } from './closed'
import { CARD_HEIGHT, columnsOf, type Drawing, type JobOfRow, ROW_HEIGHT, TimelineCard } from './columns'
import { MarkHint, useExecutionPath } from './hint'
import { Lane, Legend, LiveLane } from './lane'
import { marksOf, marksOfRuns } from './marks'
import { type Axis, axisOf, LABELS, PAGE_SIZE, RUNS, SPANS, type Span } from './views'

const route = getRouteApi('/timeline')

export default function TimelinePage() {
  const search = route.useSearch()
  const view = search.view ?? '24h'
  return view === 'runs' ? <LastRuns search={search} /> : <OverTime key={view} search={search} span={SPANS[view]} />
}

type TimelineRow = TimelineQuery['jobsPage']['nodes'][number]
type RunsRow = LastRunsPageQuery['jobsPage']['nodes'][number]

/** The same period for all jobs. */
function OverTime({ search, span }: { search: TimelineSearch; span: Span }) {
  const { minutes, cells, refresh } = span
  const list = useMemo(() => ({ ...jobListOf(search), minutes, cells }), [search, minutes, cells])
  const [still, setStill] = useState(false)
  const options = { size: PAGE_SIZE, read: readTimeline, refetchInterval: refresh, keyOf, still }
  const jobs = usePages(TimelineDocument, list, options)
  const path = useExecutionPath()
  const [first, setFirst] = useState(0)
  const axis = useAxis(span, jobs.rowAt(first)?.recentOutcomes.from)
  const exclusions = useApi(ExclusionsDocument, {}, { refetchInterval: refresh })
  const blackouts = exclusions.data?.blackouts
  const drawing = useMemo((): Drawing<TimelineRow> => {
    const ticks = ticksOn(axis)
    const at = (row: TimelineRow) => (now: number) =>
      marksOf(row.recentOutcomes.cells, Date.parse(row.recentOutcomes.from), axis, now)
    const lines = ticks.map((tick) => tick.at)
    return {
      header: <AxisLabels ticks={ticks} />,
      width: 'minmax(0, 1fr)',
      marksOf: (row) => at(row)(axis.to),
      lane: (row) => {
        const runs = row.recentOutcomes.cells.some(({ status }) => status === 'RUNNING')
        const given = { name: row.name, ticks: lines, path, closed: closedOn(row, blackouts ?? [], axis) }
        return runs ? <LiveLane {...given} marksAt={at(row)} /> : <Lane {...given} marks={at(row)(axis.to)} />
      },
    }
  }, [axis, path, blackouts])
  const seenFrom = jobs.rowAt(0)?.recentOutcomes.failuresFrom
  return (
    <Jobs
      search={search}
      jobs={jobs}
      drawing={drawing}
      onStill={setStill}
      onFirst={setFirst}
      closed={blackouts !== undefined && blackouts.length > 0}
    >
      {seenFrom && Date.parse(seenFrom) > axis.from && (
        <p className="text-warn text-xs">
          More than 5,000 executions ended badly: in cells with several executions, failures before{' '}
          <Time at={seenFrom} as="short" /> may be missing.
        </p>
      )}
    </Jobs>
  )
}

/** The last runs of each job, at any time. */
function LastRuns({ search }: { search: TimelineSearch }) {
  const list = useMemo(() => jobListOf(search), [search])
  const [still, setStill] = useState(false)
  const options = { size: PAGE_SIZE, read: readRuns, refetchInterval: RUNS_REFRESH, keyOf, still }
  const jobs = usePages(LastRunsPageDocument, list, options)
  const path = useExecutionPath()
  const drawing = useMemo(
    (): Drawing<RunsRow> => ({
      header: <span className="font-normal">{`Last ${RUNS} runs, the newest at the right`}</span>,
      width: 'minmax(0, 40rem)',
      marksOf: (row) => marksOfRuns(row.recentExecutions),
      lane: (row) => (
        <Lane apart name={row.name} ticks={[]} closed={[]} path={path} marks={marksOfRuns(row.recentExecutions)} />
      ),
    }),
    [path],
  )
  return <Jobs search={search} jobs={jobs} drawing={drawing} onStill={setStill} />
}

const RUNS_REFRESH = 15_000
const readTimeline = (result: TimelineQuery) => result.jobsPage
const readRuns = (result: LastRunsPageQuery) => result.jobsPage
const keyOf = (job: { id: string }) => job.id

/** Moves on at the end of the newest cell; never away from the visible data, whatever the clock here shows. */
function useAxis(span: Span, shownFrom: string | undefined): Axis {
  const clock = axisOf(span, useNow())
  const shown = shownFrom ? Date.parse(shownFrom) : clock.from
  const isNear = Math.abs(clock.from - shown) <= CELLS_AHEAD * clock.cell
  const to = isNear ? clock.to : shown + clock.to - clock.from
  return useMemo(() => axisOf(span, to - 1), [span, to])
}

/** Number of cells that may start before the visible data is read again. */
const CELLS_AHEAD = 3

/** Rows to scroll before the page is rendered again for its axis. */
const STEP = 10

interface JobsProps<Row> {
  search: TimelineSearch
  jobs: Pages<Row>
  drawing: Drawing<Row>
  onStill: (still: boolean) => void
  /** Called with a row near the first visible one. */
  onFirst?: (row: number) => void
  /** Whether blackouts are drawn. */
  closed?: boolean
  children?: ReactNode
}

/** The frame of both drawings. */
function Jobs<Row extends JobOfRow>({
  search,
  jobs,
  drawing,
  onStill,
  onFirst,
  closed = false,
  children,
}: JobsProps<Row>) {
  const navigate = route.useNavigate()
  const change = useCallback(
    (next: Partial<TimelineSearch>) => void navigate({ search: (before) => ({ ...before, ...next }), replace: true }),
    [navigate],
  )
  const narrow = useScreen() === 'narrow'
  const { setVisible } = jobs
  const onVisible = useCallback(
    (first: number, last: number) => {
      setVisible(first, last)
      onFirst?.(first - (first % STEP))
    },
    [setVisible, onFirst],
  )
  const box = useRef<HTMLDivElement>(null)
  const columns = useMemo(() => columnsOf(drawing), [drawing])
  const card = useCallback((row: Row) => <TimelineCard row={row} drawing={drawing} />, [drawing])
  return (
    <Page
      fixed
      title="Timeline"
      note={
        jobs.total === null
          ? 'What ran when, job by job'
          : counted(jobs.total, 'job') + (isFiltered(search) ? ' match' : '')
      }
      actions={TIMELINE_VIEWS.map((view) => (
        <Button
          key={view}
          aria-pressed={view === (search.view ?? '24h')}
          kind={view === (search.view ?? '24h') ? 'primary' : 'plain'}
          onClick={() => change({ view: view === '24h' ? undefined : view })}
        >
          {LABELS[view]}
        </Button>
      ))}
    >
      <Filters search={search} onChange={change} />
      <Legend closed={closed} />
      {children}
      {narrow && <div className="px-4">{drawing.header}</div>}
      <PagedGrid
        ref={box}
        label="Timeline"
        what="the timeline"
        pages={jobs}
        empty={<NoJobs filtered={isFiltered(search)} />}
        columns={columns}
        keyOf={keyOf}
        rowHeight={ROW_HEIGHT}
        card={card}
        cardHeight={CARD_HEIGHT}
        onVisible={onVisible}
        onStill={onStill}
        news={jobs.withheld.arrived > 0 ? `${jobs.withheld.arrived} new` : null}
      />
      <MarkHint box={box} />
    </Page>
  )
}

function NoJobs({ filtered }: { filtered: boolean }) {
  return filtered ? (
    <Empty icon={SearchX} title="No job matches" />
  ) : (
    <Empty icon={ChartGantt} title="There are no jobs yet">
      Each job has a row here, and each of its runs a mark.
    </Empty>
  )
}
