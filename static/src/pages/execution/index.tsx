import { Page } from '@/components/panel'
import { Empty } from '@/components/states'

export default function ExecutionPage() {
  return (
    <Page title="Execution">
      <Empty title="This page is not built yet" />
    </Page>
  )
}
