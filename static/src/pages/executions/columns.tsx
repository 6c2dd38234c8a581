// An execution as a row, and as a card where columns do not fit.

import { Link } from '@tanstack/react-router'
import type { ExecutionRowFragment } from '@/api/generated'
import { Checkbox } from '@/components/checkbox'
import type { Column } from '@/components/grid'
import { Name } from '@/components/name'
import { enumLabel, StatusBadge } from '@/components/status'
import { Time } from '@/components/time'
import { duration } from '@/format/duration'
import { isInFlight, lateness, runtime } from '@/format/execution'
import { count } from '@/format/number'
import { useNow } from '@/lib/clock'
import { allThatMatch, isSelected, NOTHING, type Selection, withRow } from '@/lib/selection'
import { Message } from './message'

export const ROW_HEIGHT = 44
export const CARD_HEIGHT = 100

type Execution = ExecutionRowFragment

type OnSelect = (selection: Selection) => void

/** The columns of the list of all executions; their tick boxes are the selection. There are none without `onSelect`. */
export function columnsOf(selection: Selection, onSelect: OnSelect | null, canMeanAll: boolean): Column<Execution>[] {
  if (!onSelect) return COLUMNS
  const some = selection !== NOTHING && !selection.all
  const select: Column<Execution> = {
    id: 'select',
    width: '1rem',
    header: canMeanAll && (
      <Checkbox
        label="Select all that match"
        checked={selection.all || (some && 'indeterminate')}
        onChange={(checked) => onSelect(checked ? allThatMatch : NOTHING)}
      />
    ),
    cell: (execution) => <SelectCell execution={execution} selection={selection} onSelect={onSelect} />,
  }
  return [select, ...COLUMNS]
}

interface SelectableProps {
  execution: Execution
  selection: Selection
  onSelect: OnSelect
}

function SelectCell({ execution, selection, onSelect }: SelectableProps) {
  return (
    <Checkbox
      label={`Select the execution of ${execution.jobName ?? execution.jobId}`}
      checked={isSelected(selection, execution.id)}
      onChange={(checked) => onSelect(withRow(selection, execution.id, checked))}
    />
  )
}

const COLUMNS: Column<Execution>[] = [
  { id: 'status', width: '10rem', header: 'Status', cell: (execution) => <OutcomeCell execution={execution} /> },
  {
    id: 'job',
    width: 'minmax(8rem, 1fr)',
    header: 'Job',
    cell: (execution) => (
      <div className="compact:flex compact:items-baseline compact:gap-2">
        <Link
          to="/jobs/$jobId"
          params={{ jobId: execution.jobId }}
          className="block truncate font-medium text-sm hover:underline"
        >
          <Name text={execution.jobName ?? execution.jobId} />
        </Link>
        {execution.status === 'FAILED' && <Message execution={execution} />}
      </div>
    ),
  },
  { id: 'fire', width: '11rem', header: 'Fire time', cell: (execution) => <FireTime execution={execution} /> },
  {
    id: 'late',
    width: '5rem',
    align: 'end',
    header: 'Late',
    cell: (execution) => <LatenessCell execution={execution} />,
  },
  {
    id: 'took',
    width: '5.5rem',
    align: 'end',
    header: 'Took',
    cell: (execution) => <DurationCell execution={execution} />,
  },
  {
    id: 'attempt',
    wide: true,
    width: '3.5rem',
    align: 'end',
    header: 'Attempt',
    cell: ({ attempt }) => <span className={attempt > 1 ? 'text-warn' : 'text-muted'}>{attempt || '–'}</span>,
  },
  {
    id: 'node',
    wide: true,
    width: '7rem',
    header: 'Node',
    cell: ({ nodeName }) => <span className="block truncate text-muted">{nodeName ?? '–'}</span>,
  },
  {
    id: 'kind',
    wide: true,
    width: '5rem',
    header: 'Kind',
    cell: ({ kind }) => <span className="text-muted">{enumLabel(kind)}</span>,
  },
]

type CardProps = Omit<SelectableProps, 'onSelect'> & { onSelect: OnSelect | null }

/** An execution on a narrow screen. */
export function ExecutionCard({ execution, selection, onSelect }: CardProps) {
  return (
    <div className="flex flex-col gap-1.5">
      <div className="flex items-center justify-between gap-2">
        {onSelect && <SelectCell execution={execution} selection={selection} onSelect={onSelect} />}
        <Link
          to="/jobs/$jobId"
          params={{ jobId: execution.jobId }}
          className="min-w-0 flex-1 truncate font-medium text-sm hover:underline"
        >
          <Name text={execution.jobName ?? execution.jobId} />
        </Link>
        <OutcomeCell execution={execution} />
      </div>
      <div className="flex items-center justify-between gap-2 text-xs">
        <FireTime execution={execution} />
        <DurationCell execution={execution} />
      </div>
      {execution.status === 'FAILED' && <Message execution={execution} />}
    </div>
  )
}

/** The outcome, as a link to the execution. */
export function OutcomeCell({ execution }: { execution: Execution }) {
  const times = execution.occurrences !== null && execution.occurrences > 1 ? ` ×${count(execution.occurrences)}` : ''
  return (
    <Link
      to="/executions/$executionId"
      params={{ executionId: execution.id }}
      className="inline-flex max-w-full items-center gap-1 rounded-full"
    >
      <StatusBadge status={execution.status} detail={execution.reason} />
      {times && <span className="text-muted text-xs">{times}</span>}
    </Link>
  )
}

/** The instant that the schedule names, exact and relative. */
export function FireTime({ execution }: { execution: Execution }) {
  return (
    <Link
      to="/executions/$executionId"
      params={{ executionId: execution.id }}
      className="flex items-baseline gap-2 text-sm hover:underline"
    >
      <Time at={execution.fireTime} as="short" />
      <span className="text-muted text-xs">
        <Time at={execution.fireTime} />
      </span>
    </Link>
  )
}

/** Actual start − due time. */
export function LatenessCell({ execution }: { execution: Execution }) {
  const millis = lateness(execution)
  if (millis === null) return <span className="text-faint">–</span>
  return <span className={millis > LATE_MILLIS ? 'text-warn' : 'text-muted'}>{duration(millis)}</span>
}

/** A later start is highlighted. */
const LATE_MILLIS = 1_000

/** Duration of the last attempt, also of a running one; between two attempts the time of the next. */
export function DurationCell({ execution }: { execution: Execution }) {
  if (execution.nextAttemptAt) {
    return (
      <span className="text-muted">
        next <Time at={execution.nextAttemptAt} />
      </span>
    )
  }
  return isInFlight(execution.status) ? (
    <RunningDuration execution={execution} />
  ) : (
    <DurationText millis={runtime(execution, 0)} />
  )
}

function RunningDuration({ execution }: { execution: Execution }) {
  return <DurationText millis={runtime(execution, useNow())} />
}

function DurationText({ millis }: { millis: number | null }) {
  return millis === null ? <span className="text-faint">–</span> : <span>{duration(millis)}</span>
}
