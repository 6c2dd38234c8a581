import { Page } from '@/components/panel'
import { Empty } from '@/components/states'

export default function ExecutionsPage() {
  return (
    <Page title="Executions">
      <Empty title="This page is not built yet" />
    </Page>
  )
}
