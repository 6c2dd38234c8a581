import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { X } from 'lucide-react'
import { useEffect, useRef } from 'react'
import { send } from '@/api/client'
import { PlannedJobsDocument, type PlannedJobsQuery, type PlannedJobsQueryVariables } from '@/api/generated'
import { IconButton } from '@/components/button'
import { Name } from '@/components/name'
import { Panel } from '@/components/panel'
import { Shown } from '@/components/states'
import { Time } from '@/components/time'
import { count } from '@/text/number'
import { scheduleWords } from '@/text/schedule'
import { clockTime, dayAndTime, viewerZone } from '@/text/time'
import { agendaOf, type Entry } from './agenda'
import type { Stretch } from './spans'

/** Jobs that are read at a time, next fire times of each, and how many times: what the API lets one query cost. */
const PAGE_SIZE = 100
const FIRE_TIMES = 100
const PAGES_MAX = 5
/** Fire times that are shown of one job. */
const SHOWN = 3

type Job = PlannedJobsQuery['jobsPage']['nodes'][number]

/** By next fire time: from the first one that fires after the stretch on nobody fires in it. */
async function plannedBefore(to: string, signal: AbortSignal): Promise<{ jobs: Job[]; complete: boolean }> {
  const jobs: Job[] = []
  let after: string | null = null
  for (let page = 0; page < PAGES_MAX; page += 1) {
    const variables: PlannedJobsQueryVariables = { first: PAGE_SIZE, after, count: FIRE_TIMES }
    const { jobsPage }: PlannedJobsQuery = await send(PlannedJobsDocument, variables, { signal })
    jobs.push(...jobsPage.nodes)
    const next = jobsPage.nodes.at(-1)?.nextFireTime
    const beyond = jobsPage.nodes.length > 0 && (!next || Date.parse(next) >= Date.parse(to))
    if (!jobsPage.pageInfo.hasNextPage || beyond) return { jobs, complete: true }
    after = jobsPage.pageInfo.endCursor
  }
  return { jobs, complete: false }
}

/** Who fires in a stretch of the plan. */
export function JobsOf({ stretch, onClose }: { stretch: Stretch; onClose: () => void }) {
  const { from, to } = stretch
  const read = useQuery({
    queryKey: ['PlannedJobs', to],
    queryFn: ({ signal }) => plannedBefore(to, signal),
    staleTime: 30_000,
  })
  const element = useRef<HTMLDivElement>(null)
  // biome-ignore lint/correctness/useExhaustiveDependencies: each stretch that is chosen is brought into the window
  useEffect(() => {
    // In braces: new browsers answer with a promise, which React would take for the clean-up.
    element.current?.scrollIntoView({ block: 'nearest' })
  }, [from])
  return (
    <div ref={element}>
      <Panel
        title={`${dayAndTime(from, viewerZone)} to ${clockTime(to, viewerZone).slice(0, 5)}`}
        aside={<IconButton icon={X} label="Close the list of jobs" onClick={onClose} />}
        flush
      >
        <Shown of={read} what="the jobs">
          {({ jobs, complete }) => (
            <>
              <Entries entries={agendaOf(jobs, from, to, FIRE_TIMES)} />
              {!complete && (
                <p className="border-t px-4 py-2.5 text-muted text-xs">
                  Only the first {count(jobs.length)} jobs by next fire time were looked at.
                </p>
              )}
            </>
          )}
        </Shown>
      </Panel>
    </div>
  )
}

function Entries({ entries }: { entries: Entry<Job>[] }) {
  if (entries.length === 0) return <p className="p-4 text-muted text-sm">No job fires then any more.</p>
  return (
    <ul className="max-h-128 divide-y overflow-y-auto">
      {entries.map(({ job, times, often }) => (
        <li key={job.id} className="flex flex-col gap-0.5 px-4 py-2.5 text-sm">
          <Link to="/jobs/$jobId" params={{ jobId: job.id }} className="truncate font-medium hover:underline">
            <Name text={job.name} />
          </Link>
          <span className="flex flex-wrap gap-x-2 text-muted text-xs">
            {times.slice(0, often ? 0 : SHOWN).map((at) => (
              <Time key={at} at={at} as="short" />
            ))}
            {!often && times.length > SHOWN && <span>and {count(times.length - SHOWN)} more</span>}
            <span className="truncate">{scheduleWords(job)}</span>
          </span>
        </li>
      ))}
    </ul>
  )
}
