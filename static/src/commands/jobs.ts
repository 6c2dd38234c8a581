// Commands about one job, from any page: confirmed when they cannot be undone, and reported.

import { errorMessage, send } from '@/api/client'
import {
  DeleteJobDocument,
  JobPayloadDocument,
  type JobStatus,
  PauseJobDocument,
  ResumeJobDocument,
  RunJobNowDocument,
} from '@/api/generated'
import { type Question, useConfirm } from '@/components/confirm'
import { useToast } from '@/components/toasts'
import { count } from '@/format/number'
import { indented, JsonText } from '@/lib/json'
import { useCommand } from './command'

export interface Commanded {
  id: string
  name: string
  status: JobStatus
  /** The schedule has no fire time left: there is nothing to pause. */
  hasEnded?: boolean
  /** The time of a ONCE that passed during a pause: it can run with the resume. */
  missedFireTime?: string | null
  /** Executions that run or wait for their next attempt. */
  inFlight?: number
}

/** The commands for one job; each resolves to whether it was done. */
export function useJobCommands(job: Commanded) {
  const ask = useConfirm()
  const toast = useToast()
  let cancelRunning = false
  const tick = tickOf(job, (ticked) => {
    cancelRunning = ticked
  })
  const run = useCommand(RunJobNowDocument, () => `“${shortened(job.name)}” fires now.`)
  const pause = useCommand(PauseJobDocument, () => `“${shortened(job.name)}” is paused.`)
  const resume = useCommand(ResumeJobDocument, () => `“${shortened(job.name)}” fires again.`)
  const remove = useCommand(DeleteJobDocument, () => `“${shortened(job.name)}” is deleted. Its log stays.`)

  return {
    runNow: () => done(run.mutateAsync({ id: job.id })),
    /** With another payload, edited from that of the job. */
    async runWith() {
      const found = await send(JobPayloadDocument, { id: job.id }).catch((error) => {
        toast({ kind: 'failed', message: errorMessage(error) })
        return null
      })
      if (!found) return false
      const text = await ask({
        title: `Run “${shortened(job.name)}” with another payload?`,
        text: 'It fires now, once, in addition to its schedule. All attempts of this execution have the payload below; the job keeps its own payload.',
        action: 'Run now',
        input: {
          label: 'Payload',
          hint: 'JSON of at most 256 KB. Empty: the payload of the job.',
          json: true,
          value: indented(found.job?.payload ?? ''),
        },
      })
      if (text === null) return false
      return done(run.mutateAsync({ id: job.id, payload: text.trim() ? new JsonText(text) : null }))
    },
    resume: () => done(resume.mutateAsync({ id: job.id })),
    resumeAndRun: () => done(resume.mutateAsync({ id: job.id, runMissed: true })),
    async pause() {
      const reason = await ask({
        title: `Pause “${shortened(job.name)}”?`,
        text: 'It keeps its definition and does not fire until it is resumed. Running attempts finish; buffered executions and further attempts wait for the resume.',
        action: 'Pause',
        input: { label: 'Reason', placeholder: 'Shown with the pause (optional)' },
        ...tick,
      })
      return reason !== null && done(pause.mutateAsync({ id: job.id, reason: reason.trim() || null, cancelRunning }))
    },
    async remove() {
      const sure = await ask({
        title: `Delete “${shortened(job.name)}”?`,
        text: 'It cannot be restored; its log stays. Running attempts finish.',
        action: 'Delete job',
        danger: true,
        ...tick,
      })
      return sure !== null && done(remove.mutateAsync({ id: job.id, cancelRunning }))
    },
  }
}

/** Executions in flight can be cancelled with the job. */
function tickOf({ inFlight = 0 }: Commanded, onAnswer: (ticked: boolean) => void): Pick<Question, 'tick'> {
  if (inFlight === 0) return {}
  const what = inFlight === 1 ? 'the one that runs' : `the ${count(inFlight)} that run`
  return { tick: { label: `Cancel ${what} as well`, onAnswer } }
}

/** A name, shortened for a sentence. */
export function shortened(name: string): string {
  return name.length > 60 ? `${name.slice(0, 59)}…` : name
}

/** The failure was reported in a toast already. */
function done(command: Promise<unknown>): Promise<boolean> {
  return command.then(
    () => true,
    () => false,
  )
}
