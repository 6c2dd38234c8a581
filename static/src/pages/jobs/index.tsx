import { Page } from '@/components/panel'
import { Empty } from '@/components/states'

export default function JobsPage() {
  return (
    <Page title="Jobs">
      <Empty title="This page is not built yet" />
    </Page>
  )
}
