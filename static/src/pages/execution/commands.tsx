import { Ban, RotateCw, Zap } from 'lucide-react'
import { InNamespace } from '@/access/me'
import {
  CancelExecutionDocument,
  ExecutionJobDocument,
  type ExecutionQuery,
  RerunExecutionDocument,
  RunJobNowDocument,
} from '@/api/generated'
import { useApi } from '@/api/queries'
import { useCommand } from '@/commands/command'
import { CommandButton } from '@/commands/offered'
import { useConfirm } from '@/components/confirm'
import { isInFlight, isRepeatable } from '@/format/execution'

type Execution = NonNullable<ExecutionQuery['execution']>

/** Cancel a running execution; repeat the fire time of an ended one; run the job at any time. */
export function Commands({ execution }: { execution: Execution }) {
  const { data } = useApi(ExecutionJobDocument, { id: execution.jobId })
  // Until its namespace is known, no command is offered.
  if (!data) return null
  return (
    <InNamespace value={data.job?.namespace}>
      <ExecutionCommands execution={execution} runs={data.job !== null && data.job.status !== 'DELETED'} />
    </InNamespace>
  )
}

function ExecutionCommands({ execution, runs }: { execution: Execution; runs: boolean }) {
  const ask = useConfirm()
  const cancel = useCommand(CancelExecutionDocument, ({ cancelExecution }) =>
    cancelExecution ? 'Its node stops it.' : 'It had ended already.',
  )
  const rerun = useCommand(RerunExecutionDocument, ({ rerunExecution }) =>
    rerunExecution.created ? 'Its fire time runs again.' : 'Its fire time runs again already.',
  )
  const run = useCommand(RunJobNowDocument, () => 'The job fires now, as a new execution.')
  const cancelSurely = async () => {
    const sure = await ask({
      title: 'Cancel this execution?',
      text: 'Its node stops the attempt; its effects so far stay. It is not tried again.',
      action: 'Cancel execution',
      keep: 'Let it go on',
      danger: true,
    })
    if (sure !== null) cancel.mutate({ id: execution.id })
  }
  return (
    <>
      {isInFlight(execution.status) && (
        <CommandButton command="cancelExecution" icon={Ban} busy={cancel.isPending} onClick={() => void cancelSurely()}>
          Cancel…
        </CommandButton>
      )}
      {runs && isRepeatable(execution) && (
        <CommandButton
          command="rerunExecution"
          icon={RotateCw}
          busy={rerun.isPending}
          onClick={() => rerun.mutate({ id: execution.id })}
        >
          Run this fire time again
        </CommandButton>
      )}
      {runs && (
        <CommandButton
          command="runJobNow"
          icon={Zap}
          busy={run.isPending}
          onClick={() => run.mutate({ id: execution.jobId })}
        >
          Run job now
        </CommandButton>
      )}
    </>
  )
}
