import { Ban, RotateCw } from 'lucide-react'
import { CancelExecutionDocument, ExecutionJobDocument, type ExecutionQuery, RunJobNowDocument } from '@/api/generated'
import { useApi, useCommand } from '@/api/queries'
import { Button } from '@/components/button'
import { useConfirm } from '@/components/confirm'
import { isInFlight } from '@/text/execution'

/** Cancel it while it runs; run its job again at any time. */
export function Commands({ execution }: { execution: NonNullable<ExecutionQuery['execution']> }) {
  const ask = useConfirm()
  const job = useApi(ExecutionJobDocument, { id: execution.jobId })
  const cancel = useCommand(CancelExecutionDocument, ({ cancelExecution }) =>
    cancelExecution ? 'Its node was told to stop it.' : 'It had ended already.',
  )
  const again = useCommand(RunJobNowDocument, () => 'The job fires now, as an execution of its own.')
  const cancelSurely = async () => {
    const sure = await ask({
      title: 'Cancel this execution?',
      text: 'Its node drops it wherever it is; what it did so far stays done. It is not tried again.',
      action: 'Cancel execution',
      keep: 'Let it go on',
      danger: true,
    })
    if (sure !== null) cancel.mutate({ id: execution.id })
  }
  return (
    <>
      {isInFlight(execution.status) && (
        <Button icon={Ban} busy={cancel.isPending} onClick={() => void cancelSurely()}>
          Cancel…
        </Button>
      )}
      {job.data?.job && job.data.job.status !== 'DELETED' && (
        <Button icon={RotateCw} busy={again.isPending} onClick={() => again.mutate({ id: execution.jobId })}>
          Run again
        </Button>
      )}
    </>
  )
}
