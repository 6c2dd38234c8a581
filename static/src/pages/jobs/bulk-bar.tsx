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
import { Button, IconButton } from '@/components/button'
import { type Question, useConfirm } from '@/components/confirm'
import { count, counted } from '@/format/number'
import { type Selection, selectedCount } from '@/lib/selection'
import { jobsOfSelection } from './selection'

interface BulkBarProps {
  selection: Selection
  filter: JobFilter
  /** All jobs that match, if somebody counted them. */
  total: number | null
  onAll: () => void
  onDone: () => void
}

/** The commands for what is selected, by name or all that match. */
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
  /** What the jobs have in flight can end with them. */
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
      <Button
        icon={Zap}
        busy={busy}
        onClick={() =>
          command(
            {
              title: `Run ${jobs} now?`,
              text: 'Each fires once, somewhere in the cluster, besides its schedule.',
              action: 'Run now',
            },
            () => run.mutateAsync(chosen),
          )
        }
      >
        Run now
      </Button>
      <Button
        icon={Pause}
        busy={busy}
        onClick={async () =>
          command(
            {
              title: `Pause ${jobs}?`,
              text: 'They have no fire times until they are resumed. What runs now ends as it would; what waits behind it or for its next attempt goes on with the resume.',
              action: 'Pause',
              input: { label: 'Reason', placeholder: 'Shown to whoever wonders why (optional)' },
              ...(await tick()),
            },
            (reason) => pause.mutateAsync({ ...chosen, reason, cancelRunning }),
          )
        }
      >
        Pause
      </Button>
      <Button
        icon={Play}
        busy={busy}
        onClick={() =>
          command(
            {
              title: `Resume ${jobs}?`,
              text: 'They fire again from now on, and what waited goes on; what was missed while paused is not run. To run one whose only time has passed, resume it by itself.',
              action: 'Resume',
            },
            () => resume.mutateAsync(chosen),
          )
        }
      >
        Resume
      </Button>
      <Button
        icon={Trash2}
        busy={busy}
        className="text-bad"
        onClick={async () =>
          command(
            {
              title: `Delete ${jobs}?`,
              text: 'They are gone for good; their log stays. What runs now ends as it would.',
              action: `Delete ${jobs}`,
              danger: true,
              ...(await tick()),
            },
            () => remove.mutateAsync({ ...chosen, cancelRunning }),
          )
        }
      >
        Delete
      </Button>
      <IconButton icon={X} label="Select nothing" onClick={onDone} />
    </section>
  )
}
