import { Link } from '@tanstack/react-router'
import { X } from 'lucide-react'
import { useEffect, useRef, useState } from 'react'
import { AgendaDocument, type AgendaQuery, type AgendaRowFragment } from '@/api/generated'
import { useApi } from '@/api/queries'
import { Button, IconButton } from '@/components/button'
import { Name } from '@/components/name'
import { Panel } from '@/components/panel'
import { QueryBoundary } from '@/components/states'
import { Time } from '@/components/time'
import { count } from '@/format/number'
import { clockTime, dayAndTime, viewerZone } from '@/format/time'
import type { ShownJobs } from './filter'
import type { Stretch } from './spans'

/** Number of instants at first, and after a click. */
const FIRST = 100
const MORE = 500
const REFRESH = 30_000

interface AgendaProps {
  /** The whole plan starts now and lasts a day. */
  stretch: Stretch | null
  jobs: ShownJobs
  onClose: () => void
}

/** The firing jobs in order of time: of a period of the plan, or the next ones. */
export function Agenda({ stretch, jobs, onClose }: AgendaProps) {
  const [first, setFirst] = useState(FIRST)
  const variables = { from: stretch?.from ?? null, to: stretch?.to ?? null, first, ...jobs }
  const read = useApi(AgendaDocument, variables, { refetchInterval: REFRESH, placeholderData: keepList })
  const element = useRef<HTMLDivElement>(null)
  const from = stretch?.from
  useEffect(() => {
    // In braces: new browsers return a promise, which React would take for the clean-up.
    if (from) element.current?.scrollIntoView({ block: 'nearest' })
  }, [from])
  const title = stretch
    ? `${dayAndTime(stretch.from, viewerZone)} to ${clockTime(stretch.to, viewerZone).slice(0, 5)}`
    : 'Agenda of 24 hours'
  return (
    <div ref={element}>
      <Panel
        title={title}
        aside={stretch && <IconButton icon={X} label="Close the list of jobs" onClick={onClose} />}
        flush
      >
        <QueryBoundary query={read} what="the agenda">
          {({ agenda }) => (
            <>
              <AgendaList agenda={agenda} />
              {!agenda.complete && (
                <p className="flex items-center justify-between gap-3 border-t px-4 py-2 text-muted text-xs">
                  {first < MORE ? 'There is more.' : `Only the first ${count(MORE)} times are listed.`}
                  {first < MORE && <Button onClick={() => setFirst(MORE)}>Show more</Button>}
                </p>
              )}
            </>
          )}
        </QueryBoundary>
      </Panel>
    </div>
  )
}

/** A growing list keeps its entries until the longer one has arrived. */
const keepList = (before: AgendaQuery | undefined) => before

function AgendaList({ agenda: { entries, often } }: AgendaQuery) {
  if (entries.length === 0 && often.length === 0) {
    return <p className="p-4 text-muted text-sm">No job fires then.</p>
  }
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
    <section tabIndex={0} aria-label="Agenda" className="max-h-160 overflow-y-auto">
      <ol className="divide-y">
        {entries.map((entry) => (
          <li key={entry.fireTime} className="flex gap-3 px-4 py-2 text-sm">
            <span className="w-24 shrink-0 text-muted tabular-nums">
              <Time at={entry.fireTime} as="short" />
            </span>
            <AgendaJobs entry={entry} />
          </li>
        ))}
      </ol>
      {often.length > 0 && (
        <div className={entries.length > 0 ? 'border-t' : undefined}>
          <h3 className="px-4 pt-2.5 pb-1 font-medium text-muted text-xs">More than 12 times each</h3>
          <ul>
            {often.map((entry) => (
              <li key={entry.named[0]?.id} className="px-4 py-1 text-sm">
                <AgendaJobs entry={entry} />
              </li>
            ))}
          </ul>
        </div>
      )}
    </section>
  )
}

function AgendaJobs({ entry: { jobs, named } }: { entry: AgendaRowFragment }) {
  const more = jobs - named.length
  return (
    <span className="flex min-w-0 flex-1 flex-col">
      {named.map((job) => (
        <Link key={job.id} to="/jobs/$jobId" params={{ jobId: job.id }} className="truncate hover:underline">
          <Name text={job.name} />
        </Link>
      ))}
      {more > 0 && <span className="text-muted text-xs">and {count(more)} more</span>}
    </span>
  )
}
