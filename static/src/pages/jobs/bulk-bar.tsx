import { Pause, Play, Trash2, X, Zap } from 'lucide-react'
import {
  type BulkResult,
  DeleteJobsDocument,
  type JobFilter,
  PauseJobsDocument,
  ResumeJobsDocument,
  RunJobsNowDocument,
} from '@/api/generated'
import { useCommand } from '@/commands/command'
import { useRunningOf } from '@/commands/executions'
import { CommandButton } from '@/commands/offered'
import { IconButton } from '@/components/button'
import { type Question, useConfirm } from '@/components/confirm'
import { count, counted } from '@/format/number'
import { type Selection, selectedCount } from '@/lib/selection'
import { jobsOfSelection } from './selection'

interface BulkBarProps {
  selection: Selection
  filter: JobFilter
  /** Number of matching jobs, if known. */
  total: number | null
  onAll: () => void
  onDone: () => void
}

/** The commands for the selection: single jobs, or all matching ones. */
export function BulkBar({ selection, filter, total, onAll, onDone }: BulkBarProps) {
  const ask = useConfirm()
  const said = (what: string, result: BulkResult) => {
    const rest = result.matched - result.changed
    return `${counted(result.changed, 'job')} ${what}${rest > 0 ? `; ${count(rest)} needed nothing` : ''}.`
  }
  const run = useCommand(RunJobsNowDocument, (result) => said('will fire now', result.runJobsNow))
  const pause = useCommand(PauseJobsDocument, (result) => said('paused', result.pauseJobs))
  const resume = useCommand(ResumeJobsDocument, (result) => said('resumed', result.resumeJobs))
  const remove = useCommand(DeleteJobsDocument, (result) => said('deleted', result.deleteJobs))

  const meant = selectedCount(selection, total)
  const jobs = meant === null ? 'all jobs that match' : counted(meant, 'job')
  const busy = run.isPending || pause.isPending || resume.isPending || remove.isPending
  const chosen = jobsOfSelection(selection, filter)
  const runningOf = useRunningOf()
  let cancelRunning = false
  /** The executions in flight of the jobs can be cancelled, too. */
  const tick = async (): Promise<Pick<Question, 'tick'>> => {
    cancelRunning = false
    const running = await runningOf(chosen.filter)
    if (running === 0) return {}
    const what = running === null ? 'what they run' : `the ${count(running)} that run`
    const onAnswer = (ticked: boolean) => {
      cancelRunning = ticked
    }
    return { tick: { label: `Cancel ${what} as well`, onAnswer } }
  }
  const command = async (question: Question, send: (reason: string | null) => Promise<unknown>) => {
    const answer = await ask(question)
    if (answer === null) return
    await send(answer.trim() || null).then(onDone, () => {})
  }

  return (
    <section
      aria-label="Selected jobs"
      className="flex flex-wrap items-center gap-2 rounded-lg border border-accent/40 bg-accent/8 px-3 py-2 text-sm"
    >
      <span className="font-medium">{meant === null ? 'All that match' : `${count(meant)} selected`}</span>
      {!selection.all && (
        <button type="button" onClick={onAll} className="text-accent hover:underline">
          Select all {total === null ? '' : `${count(total)} `}that match
        </button>
      )}
      <span className="flex-1" />
      <CommandButton
        command="runJobsNow"
        icon={Zap}
        busy={busy}
        onClick={() =>
          command(
            {
              title: `Run ${jobs} now?`,
              text: 'Each job fires once, in addition to its schedule.',
              action: 'Run now',
            },
            () => run.mutateAsync(chosen),
          )
        }
      >
        Run now
      </CommandButton>
      <CommandButton
        command="pauseJobs"
        icon={Pause}
        busy={busy}
        onClick={async () =>
          command(
            {
              title: `Pause ${jobs}?`,
              text: 'They do not fire until they are resumed. Running attempts finish; buffered executions and further attempts wait for the resume.',
              action: 'Pause',
              input: { label: 'Reason', placeholder: 'Shown with the pause (optional)' },
              ...(await tick()),
            },
            (reason) => pause.mutateAsync({ ...chosen, reason, cancelRunning }),
          )
        }
      >
        Pause
      </CommandButton>
      <CommandButton
        command="resumeJobs"
        icon={Play}
        busy={busy}
        onClick={() =>
          command(
            {
              title: `Resume ${jobs}?`,
              text: 'They fire again from now on, and waiting executions continue. Fire times that passed during the pause do not run. To run a job whose only time has passed, resume that job alone.',
              action: 'Resume',
            },
            () => resume.mutateAsync(chosen),
          )
        }
      >
        Resume
      </CommandButton>
      <CommandButton
        command="deleteJobs"
        icon={Trash2}
        busy={busy}
        className="text-bad"
        onClick={async () =>
          command(
            {
              title: `Delete ${jobs}?`,
              text: 'They cannot be restored; their log stays. Running attempts finish.',
              action: `Delete ${jobs}`,
              danger: true,
              ...(await tick()),
            },
            () => remove.mutateAsync({ ...chosen, cancelRunning }),
          )
        }
      >
        Delete
      </CommandButton>
      <IconButton icon={X} label="Select nothing" onClick={onDone} />
    </section>
  )
}
