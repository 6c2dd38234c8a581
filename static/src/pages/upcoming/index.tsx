// The coming hours: planned fire times as a heat map, the next fires or those of a cell, and the busiest minutes.

import { getRouteApi, Link } from '@tanstack/react-router'
import { CalendarClock } from 'lucide-react'
import { useCallback, useMemo, useState } from 'react'
import { UpcomingDocument, type UpcomingQuery } from '@/api/generated'
import { useApi } from '@/api/queries'
import { Button } from '@/components/button'
import { Name } from '@/components/name'
import { Page, Panel } from '@/components/panel'
import { Empty, QueryBoundary } from '@/components/states'
import { Time } from '@/components/time'
import type { UpcomingSearch } from '@/filters/address'
import { counted } from '@/format/number'
import { viewerZone } from '@/format/time'
import { Agenda } from './agenda'
import { CalendarFileButton } from './calendar-file'
import { isFiltered, type ShownJobs, shownOf } from './filter'
import { Filters } from './filters'
import { rowsOf } from './heat'
import { HeatMap } from './heat-map'
import { SPANS, type Span, type Stretch } from './spans'

/** The plan changes with the clock and with edits; a minute is fresh enough. */
const REFRESH = 30_000

const route = getRouteApi('/upcoming')

export default function UpcomingPage() {
  const search = route.useSearch()
  const navigate = route.useNavigate()
  const span = search.span ?? 'day'
  const [chosen, setChosen] = useState<Stretch | null>(null)
  const change = useCallback(
    (next: Partial<UpcomingSearch>) => void navigate({ search: (before) => ({ ...before, ...next }), replace: true }),
    [navigate],
  )
  const jobs = shownOf(search)
  const variables = { hours: SPANS[span].hours, ...jobs }
  const result = useApi(UpcomingDocument, variables, { refetchInterval: REFRESH })
  return (
    <Page
      title="Upcoming"
      note="Planned fire times of the active jobs. A fixed delay has no plan: its next run follows the end of the last one."
      actions={
        <>
          <CalendarFileButton span={span} jobs={jobs} />
          {(Object.keys(SPANS) as Span[]).map((name) => (
            <Button
              key={name}
              aria-pressed={name === span}
              kind={name === span ? 'primary' : 'plain'}
              onClick={() => {
                change({ span: name === 'day' ? undefined : name })
                setChosen(null)
              }}
            >
              {SPANS[name].label}
            </Button>
          ))}
        </>
      }
    >
      <Filters search={search} onChange={change} />
      <QueryBoundary query={result} what="what is to come" lines={10}>
        {({ upcoming }) => (
          <Plan
            upcoming={upcoming}
            span={span}
            jobs={jobs}
            filtered={isFiltered(search)}
            chosen={chosen}
            onChoose={setChosen}
          />
        )}
      </QueryBoundary>
    </Page>
  )
}

type Upcoming = UpcomingQuery['upcoming']

interface PlanProps {
  upcoming: Upcoming
  span: Span
  jobs: ShownJobs
  filtered: boolean
  chosen: Stretch | null
  onChoose: (stretch: Stretch | null) => void
}

function Plan({ upcoming, span, jobs, filtered, chosen, onChoose }: PlanProps) {
  const { from, buckets, complete, crowded } = upcoming
  const { row, cellMinutes, label } = SPANS[span]
  const rows = useMemo(() => rowsOf(from, buckets, row, cellMinutes, viewerZone), [from, buckets, row, cellMinutes])
  const total = buckets.reduce((sum, fires) => sum + fires, 0)
  if (total === 0) {
    return (
      <Empty icon={CalendarClock} title="Nothing is planned">
        {filtered ? 'No active job that matches' : 'No active job with a schedule'} fires within {label}.
      </Empty>
    )
  }
  return (
    <div className="grid items-start gap-4 xl:grid-cols-[minmax(0,1fr)_22rem]">
      <Panel
        title="Fire times"
        aside={`${counted(total, 'fire time')} of ${counted(upcoming.jobs, 'job')}${complete ? '' : ', not all: too many to plan'}`}
      >
        <HeatMap rows={rows} span={span} chosen={chosen} onChoose={onChoose} />
      </Panel>
      <div className="flex min-w-0 flex-col gap-4">
        <Agenda key={chosen?.from} stretch={chosen} jobs={jobs} onClose={() => onChoose(null)} />
        <CrowdedMinutes minutes={crowded} onChoose={onChoose} />
      </div>
    </div>
  )
}

function CrowdedMinutes({ minutes, onChoose }: { minutes: Upcoming['crowded']; onChoose: (stretch: Stretch) => void }) {
  return (
    <Panel title="Crowded minutes" flush>
      {minutes.length === 0 ? (
        <p className="p-4 text-muted text-sm">No minute has more than one fire time.</p>
      ) : (
        <ol className="divide-y">
          {minutes.map((minute) => (
            <li key={minute.at} className="flex flex-col gap-0.5 px-4 py-2.5 text-sm">
              <span className="flex justify-between gap-3">
                <button
                  type="button"
                  onClick={() => onChoose({ from: minute.at, to: minuteAfter(minute.at) })}
                  className="font-medium hover:underline"
                >
                  <Time at={minute.at} as="short" />
                </button>
                <span className="text-muted tabular-nums">{counted(minute.fires, 'fire')}</span>
              </span>
              <span className="flex flex-wrap gap-x-2 text-muted text-xs">
                {minute.jobs.map((name) => (
                  <Link key={name} to="/jobs" search={{ search: name }} className="max-w-full truncate hover:underline">
                    <Name text={name} />
                  </Link>
                ))}
              </span>
            </li>
          ))}
        </ol>
      )}
    </Panel>
  )
}

const minuteAfter = (at: string) => new Date(Date.parse(at) + 60_000).toISOString()
