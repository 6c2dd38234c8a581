// Commands about many executions: count, confirm, report.

import { errorMessage, send } from '@/api/client'
import {
  CancelExecutionsDocument,
  type CancelResult,
  type ExecutionFilter,
  type JobFilter,
  RerunExecutionsDocument,
} from '@/api/generated'
import { useConfirm } from '@/components/confirm'
import { useToast } from '@/components/toasts'
import { count, counted } from '@/format/number'
import { leftOut } from '@/format/reruns'
import { useCommand } from './command'

/** The selected executions in the form of the API: a filter, or `all` for a filter without conditions. */
export interface Executions {
  filter: ExecutionFilter
  all: boolean
}

/** The commands for all executions of a filter; each resolves to whether it was done. */
export function useExecutionCommands() {
  const ask = useConfirm()
  const toast = useToast()
  const cancel = useCommand(CancelExecutionsDocument, ({ cancelExecutions }) => cancelled(cancelExecutions))
  const rerun = useCommand(
    RerunExecutionsDocument,
    ({ rerunExecutions }) => `${counted(rerunExecutions.reruns, 'fire time')} will run again.`,
  )

  /** A failed count is reported, and the command is not offered. */
  const counting = <Count>(counted: Promise<Count>) =>
    counted.catch((error) => {
      toast({ kind: 'failed', message: errorMessage(error) })
      return null
    })

  const nothing = (message: string) => {
    toast({ kind: 'done', message })
    return false
  }

  return {
    busy: cancel.isPending || rerun.isPending,
    async cancel(executions: Executions): Promise<boolean> {
      const answer = await counting(send(CancelExecutionsDocument, { ...executions, dryRun: true }))
      if (!answer) return false
      const { matched, more } = answer.cancelExecutions
      if (matched === 0) return nothing('None of these executions is in flight.')
      const many = `${counted(matched, 'execution')}${more ? ' or more' : ''}`
      const sure = await ask({
        title: `Cancel ${many}?`,
        text: 'Running attempts are stopped by their nodes; their effects so far stay. Executions that wait for an attempt end at once. None is tried again. Executions that have ended do not change.',
        action: `Cancel ${many}`,
        keep: 'Let them go on',
        danger: true,
      })
      return sure !== null && done(cancel.mutateAsync({ ...executions, dryRun: false }))
    },
    async rerun(executions: Executions): Promise<boolean> {
      const answer = await counting(send(RerunExecutionsDocument, { ...executions, dryRun: true }))
      if (!answer) return false
      const { reruns } = answer.rerunExecutions
      const others = leftOut(answer.rerunExecutions)
      if (reruns === 0) return nothing(`None of these executions runs again. ${others}`.trim())
      const sure = await ask({
        title: `Run ${counted(reruns, 'fire time')} again?`,
        text: `Each runs as a new execution, under the current definition of its job: a thousand at once, and a thousand more each second. ${others}`.trim(),
        action: `Run ${count(reruns)} again`,
      })
      return sure !== null && done(rerun.mutateAsync({ ...executions, dryRun: false }))
    },
  }
}

/** Counts the executions in flight of the jobs of a filter; null when the count failed. */
export function useRunningOf() {
  return (jobs: JobFilter): Promise<number | null> => {
    const filter: ExecutionFilter = { status: ['RUNNING', 'RETRYING'] }
    const answer = send(CancelExecutionsDocument, { filter, jobs, all: false, dryRun: true })
    return answer.then(
      ({ cancelExecutions }) => cancelExecutions.matched,
      () => null,
    )
  }
}

function cancelled({ matched, cancelled, more }: CancelResult): string {
  const ended = matched - cancelled
  const others = ended > 0 ? ` ${count(ended)} had ended or were being stopped already.` : ''
  return `${counted(cancelled, 'execution')} cancelled.${others}${more ? ' There are more: cancel again.' : ''}`
}

/** The failure was reported in a toast already. */
function done(command: Promise<unknown>): Promise<boolean> {
  return command.then(
    () => true,
    () => false,
  )
}
