// What a person can tell one job to do, from any page: asks first where it cannot be undone, says afterwards what happened.

import {
  DeleteJobDocument,
  type JobStatus,
  PauseJobDocument,
  ResumeJobDocument,
  RunJobNowDocument,
} from '@/api/generated'
import { useCommand } from '@/api/queries'
import { useConfirm } from '@/components/confirm'

export interface Commanded {
  id: string
  name: string
  status: JobStatus
  /** The time of a ONCE that passed while it was paused: it can be run with the resume. */
  missedFireTime?: string | null
}

/** The commands for one job; each resolves to whether it was done. */
export function useJobCommands(job: Commanded) {
  const ask = useConfirm()
  const run = useCommand(RunJobNowDocument, () => `“${shortened(job.name)}” fires now.`)
  const pause = useCommand(PauseJobDocument, () => `“${shortened(job.name)}” is paused.`)
  const resume = useCommand(ResumeJobDocument, () => `“${shortened(job.name)}” fires again.`)
  const remove = useCommand(DeleteJobDocument, () => `“${shortened(job.name)}” is deleted. Its log stays.`)

  return {
    runNow: () => done(run.mutateAsync({ id: job.id })),
    resume: () => done(resume.mutateAsync({ id: job.id })),
    resumeAndRun: () => done(resume.mutateAsync({ id: job.id, runMissed: true })),
    async pause() {
      const reason = await ask({
        title: `Pause “${shortened(job.name)}”?`,
        text: 'It keeps its definition and has no fire times until it is resumed. What runs now ends as it would; what waits behind it or for its next attempt goes on with the resume.',
        action: 'Pause',
        input: { label: 'Reason', placeholder: 'Shown to whoever wonders why (optional)' },
      })
      return reason !== null && done(pause.mutateAsync({ id: job.id, reason: reason.trim() || null }))
    },
    async remove() {
      const sure = await ask({
        title: `Delete “${shortened(job.name)}”?`,
        text: 'It is gone for good; its log stays. What runs now ends as it would.',
        action: 'Delete job',
        danger: true,
      })
      return sure !== null && done(remove.mutateAsync({ id: job.id }))
    },
  }
}

/** A name that fits into a sentence. */
export function shortened(name: string): string {
  return name.length > 60 ? `${name.slice(0, 59)}…` : name
}

/** A failure has been said already, in a toast. */
function done(command: Promise<unknown>): Promise<boolean> {
  return command.then(
    () => true,
    () => false,
  )
}
