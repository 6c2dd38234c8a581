// A job as a row, and as a card where columns do not fit.

import { Link } from '@tanstack/react-router'
import { Zap } from 'lucide-react'
import { InNamespace } from '@/access/me'
import type { JobRowFragment } from '@/api/generated'
import { JobMenu } from '@/commands/job-menu'
import { useJobCommands } from '@/commands/jobs'
import { CommandIcon } from '@/commands/offered'
import { Checkbox } from '@/components/checkbox'
import { ExcludedUntil } from '@/components/exclusion'
import type { Column } from '@/components/grid'
import { Name } from '@/components/name'
import { Sparkline } from '@/components/sparkline'
import { StatusBadge } from '@/components/status'
import { Time } from '@/components/time'
import { badgesOf, isExcludedNow } from '@/format/job'
import { scheduleWords, zoneOf } from '@/format/schedule'
import { onTheirClock, relativeTime, sameClock, shortTime, viewerZone } from '@/format/time'
import { useNow } from '@/lib/clock'
import { allThatMatch, isSelected, NOTHING, type Selection, withRow } from '@/lib/selection'
import { NamespaceLabel } from '@/namespaces/label'

export const ROW_HEIGHT = 56
export const CARD_HEIGHT = 112

type OnSelect = (selection: Selection) => void

/** The columns; their tick boxes are the selection. There are none without `onSelect`. */
export function columnsOf(selection: Selection, onSelect: OnSelect | null): Column<JobRowFragment>[] {
  return onSelect ? [selectColumn(selection, onSelect), ...COLUMNS] : COLUMNS
}

function selectColumn(selection: Selection, onSelect: OnSelect): Column<JobRowFragment> {
  const some = selection !== NOTHING && !selection.all
  return {
    id: 'select',
    width: '1rem',
    header: (
      <Checkbox
        label="Select all that match"
        checked={selection.all || (some && 'indeterminate')}
        onChange={(checked) => onSelect(checked ? allThatMatch : NOTHING)}
      />
    ),
    cell: (job) => <SelectCell job={job} selection={selection} onSelect={onSelect} />,
  }
}

const COLUMNS: Column<JobRowFragment>[] = [
  { id: 'job', width: 'minmax(9rem, 1fr)', header: 'Job', cell: (job) => <JobNameCell job={job} /> },
  { id: 'status', width: '8.5rem', header: 'Status', cell: (job) => <StateCell job={job} /> },
  {
    id: 'runs',
    width: '7.5rem',
    header: 'Last runs',
    cell: (job) => <Sparkline runs={job.recentExecutions} />,
  },
  {
    id: 'last',
    wide: true,
    width: '10rem',
    header: 'Last',
    cell: (job) => <FireTimeCell at={job.previousFireTime} job={job} />,
  },
  {
    id: 'next',
    width: '10rem',
    header: 'Next',
    cell: (job) => <FireTimeCell at={job.nextFireTime} job={job} next />,
  },
  {
    id: 'commands',
    width: '4.25rem',
    header: <span className="sr-only">Commands</span>,
    cell: (job) => <JobCommands job={job} />,
  },
]

interface JobProps {
  job: JobRowFragment
  selection: Selection
  onSelect: OnSelect
}

function SelectCell({ job, selection, onSelect }: JobProps) {
  return (
    <Checkbox
      label={`Select ${job.name}`}
      checked={isSelected(selection, job.id)}
      onChange={(checked) => onSelect(withRow(selection, job.id, checked))}
    />
  )
}

/** A job on a narrow screen. */
export function JobCard({ job, selection, onSelect }: Omit<JobProps, 'onSelect'> & { onSelect: OnSelect | null }) {
  return (
    <div className="flex flex-col gap-1">
      <div className="flex items-center gap-2">
        {onSelect && <SelectCell job={job} selection={selection} onSelect={onSelect} />}
        <div className="min-w-0 flex-1">
          <JobNameCell job={job} />
        </div>
        <JobCommands job={job} />
      </div>
      <div className="flex items-center justify-between gap-2 text-xs">
        <Badges job={job} />
        <Sparkline runs={job.recentExecutions} places={14} />
        <span className="text-muted">
          <NextOnCard job={job} />
        </span>
      </div>
    </div>
  )
}

function NextOnCard({ job }: { job: JobRowFragment }) {
  const now = useNow()
  if (job.excludedBy && isExcludedNow(job.excludedBy, now)) return <ExcludedUntil exclusion={job.excludedBy} />
  return job.nextFireTime ? <Time at={job.nextFireTime} zone={zoneOf(job)} /> : 'no fire time'
}

function Badges({ job }: { job: JobRowFragment }) {
  return badgesOf(job).map((badge) => <StatusBadge key={badge} status={badge} />)
}

function JobNameCell({ job }: { job: JobRowFragment }) {
  const zone = job.scheduleType === 'CRON' && job.timeZone !== viewerZone ? ` · ${job.timeZone}` : ''
  return (
    <div className="compact:flex compact:items-center compact:gap-2">
      <div className="flex min-w-0 items-center gap-2">
        <Link to="/jobs/$jobId" params={{ jobId: job.id }} className="truncate font-medium text-sm hover:underline">
          <Name text={job.name} />
        </Link>
        <NamespaceLabel name={job.namespace} />
        {job.tags.slice(0, 2).map((tag) => (
          <span
            key={tag}
            className="hidden max-w-24 shrink-0 truncate rounded bg-hover px-1.5 text-2xs text-muted xl:inline"
          >
            {tag}
          </span>
        ))}
      </div>
      <p className="min-w-0 truncate text-muted text-xs compact:flex-1" title={job.cronExpression ?? undefined}>
        {scheduleWords(job)}
        {zone}
      </p>
    </div>
  )
}

function StateCell({ job }: { job: JobRowFragment }) {
  const why = job.pauseReason ?? job.failing?.message
  return (
    <div className="flex flex-col items-start gap-0.5 compact:flex-row compact:items-center compact:gap-1.5">
      <div className="flex items-center gap-1">
        <Badges job={job} />
        {job.inFlight > 0 && (
          <span title={`${job.inFlight} in flight`}>
            <StatusBadge status="RUNNING" />
          </span>
        )}
      </div>
      {why && (
        <span className="min-w-0 max-w-full truncate text-2xs text-muted" title={why}>
          {why}
        </span>
      )}
    </div>
  )
}

/** Relative, then exact: in the viewer's zone, and in the job's zone if that differs. */
function FireTimeCell({ at, job, next }: { at: string | null; job: JobRowFragment; next?: boolean }) {
  const now = useNow()
  if (!at) return <span className="text-faint">–</span>
  if (next && job.excludedBy && isExcludedNow(job.excludedBy, now)) {
    return (
      <div className="flex flex-col text-sm compact:flex-row compact:items-baseline compact:gap-1.5">
        <ExcludedUntil exclusion={job.excludedBy} />
        <span className="truncate text-2xs text-muted">{job.excludedBy.name}</span>
      </div>
    )
  }
  const zone = zoneOf(job)
  const theirs = !zone || sameClock(at, zone) ? null : onTheirClock(at, zone)
  return (
    <div className="flex flex-col text-sm compact:flex-row compact:items-baseline compact:gap-1.5">
      {next && Date.parse(at) <= now ? <DueLabel at={at} now={now} /> : <Time at={at} zone={zone} />}
      <span className="truncate text-2xs text-muted">
        {shortTime(at, viewerZone, now)}
        {theirs && ` · ${theirs}`}
      </span>
    </div>
  )
}

/** A next fire time that has passed: it is about to be taken, or no node takes it. */
function DueLabel({ at, now }: { at: string; now: number }) {
  const late = now - Date.parse(at) > LATE_MILLIS
  return <span className={late ? 'text-warn' : undefined}>{late ? `due ${relativeTime(at, now)}` : 'due'}</span>
}

/** A due job waits visibly after this time; before it the row may only be older than the fire. */
const LATE_MILLIS = 5_000

/** The time of a ONCE that passed during a pause; the server decides, and does not run a time that was not missed. */
function missed(job: JobRowFragment, now: number): string | null {
  const isHeld = job.status === 'PAUSED' && job.scheduleType === 'ONCE' && job.previousFireTime === null
  return isHeld && job.startAt !== null && Date.parse(job.startAt) <= now ? job.startAt : null
}

/** The commands that the caller has in the namespace of the job. */
function JobCommands({ job }: { job: JobRowFragment }) {
  return (
    <InNamespace value={job.namespace}>
      <Commands job={job} />
    </InNamespace>
  )
}

function Commands({ job }: { job: JobRowFragment }) {
  const commands = useJobCommands(job)
  const now = useNow()
  return (
    <div className="flex justify-end">
      <CommandIcon
        command="runJobNow"
        icon={Zap}
        label={`Run ${job.name} now`}
        onClick={() => void commands.runNow()}
      />
      <JobMenu job={{ ...job, missedFireTime: missed(job, now) }} />
    </div>
  )
}
