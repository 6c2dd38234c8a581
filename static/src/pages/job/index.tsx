import { Page } from '@/components/panel'
import { Empty } from '@/components/states'

export default function JobPage() {
  return (
    <Page title="Job">
      <Empty title="This page is not built yet" />
    </Page>
  )
}
